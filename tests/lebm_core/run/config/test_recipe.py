"""Recipes: the merge, the types, the sentences, and the dump that reads back as it is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lebm_core.errors import UsageError
from lebm_core.run.config import gpu, recipe
from lebm_core.run.config.recipe import apply, default_preset, dump, load, metric_options, options


def test_defaults_recipe_preset_and_overrides_stack(path):
    plain = load(path)
    assert plain.name == "toy" and plain.preset == "" and plain.seed == 0
    prior = plain.parts["prior"]
    assert prior["name"] == "ebm" and prior["sampler"]["steps"] == 30
    assert prior["energy"]["hidden"] == [200, 200]
    assert plain.minutes == {"cpu": "2"}
    assert plain.published == {"Pang et al. 2020, figure 3.1": {"fppl": 388.0}}
    assert load(path, "cpu").parts["prior"]["sampler"]["steps"] == 20
    changed = load(path, "cpu", ["prior.sampler.steps=10", "seed=3"])
    assert changed.parts["prior"]["sampler"]["steps"] == 10 and changed.seed == 3
    assert load(path, None, ["seed=3"]).seed == 3


def test_parts_are_typed_by_their_signatures(path):
    found = load(path)
    assert found.data == {
        "name": "toyrecipe.data",
        "batch_size": 16,
        "rows": 100,
        "source": "",
        "noise": 0.1,
    }
    assert options(found.data) == {"rows": 100, "source": "", "noise": 0.1}
    # latent_dim and features have no default: prior and data give them where the recipe does not.
    assert found.parts["decoder"] == {
        "name": "toyrecipe.mlp",
        "hidden": (8, 8),
        "cell": "lstm",
        "dropout": 0.0,
        "tied": False,
    }
    assert load(path, None, ["decoder.dropout=1"]).parts["decoder"]["dropout"] == 1.0
    assert load(path, None, ["decoder.features=3"]).parts["decoder"]["features"] == 3
    assert found.model == {"name": "latent-ebm"}
    assert list(found.parts) == ["prior", "decoder", "encoder", "inference"]


def test_parts_of_the_model_have_training_options_of_their_own(path):
    training = load(path, None, ["training.parts.decoder.lr=2e-3", "training.lr=3e-3"]).training
    assert training.of("prior").lr == 1e-4 and training.of("prior").clip == 1.0
    assert training.of("decoder").lr == 2e-3 and training.of("decoder").clip is None
    assert training.of("encoder").lr == 3e-3 and training.of("encoder").weight_decay == 0.0
    unclipped = load(path, None, ["training.parts.prior.clip=none"]).training
    assert unclipped.of("prior").clip is None and unclipped.of("prior").lr == 1e-4
    table = load(path, None, ["training.parts.prior={lr = 5}"]).training
    assert table.of("prior").lr == 5.0 and table.of("prior").clip == 1.0


def test_a_role_may_have_other_defaults_than_the_part(path):
    found = load(path, None, ["inference.name=short-run"])
    assert found.parts["inference"]["sampler"]["steps"] == 20  # a posterior chain
    assert found.parts["prior"]["sampler"]["steps"] == 30
    rule = load(path).learning["refit"]["rule"]
    assert rule["name"] == "persistent" and rule["chain_steps"] == 20
    other = load(path, None, ["learning.refit.rule.name=short-run"]).learning["refit"]["rule"]
    assert other["chain_steps"] == 20  # of that role, whichever rule it is


def test_metrics_share_one_table_and_keep_their_own_defaults(path):
    found = load(path)
    judge = {"width": 64}
    assert metric_options(found, "toyrecipe.one") == {"draws": 7, "judge": judge}
    assert metric_options(found, "toyrecipe.two") == {"mode": "greedy", "judge": judge}
    assert found.evaluation["judge"] == {"width": 64, "epochs": None}
    agreed = load(path, None, ["evaluation.batch=3", "evaluation.judge.epochs=1"])
    judge = {"width": 64, "epochs": 1}
    assert metric_options(agreed, "toyrecipe.one") == {"draws": 7, "batch": 3, "judge": judge}
    assert metric_options(agreed, "toyrecipe.two") == {"mode": "greedy", "batch": 3, "judge": judge}


def test_other_metrics_have_other_options(path):
    found = load(path, None, ["evaluation.metrics=[toyrecipe.two]"])
    assert "draws" not in found.evaluation and found.evaluation["batch"] == 20


def test_values_are_toml_or_else_bare_strings(path):
    found = load(
        path,
        None,
        [
            "prior.energy.hidden=[50, 50]",
            "training.parts.prior.lr=1e-5",
            "training.max_steps=5",
            "data.source=2024",
            "data.noise=none",
            "decoder.cell=gru",
            "decoder.tied=true",
            "evaluation.baselines=[ f0 ]",
            "evaluation.metrics=[toyrecipe.one,toyrecipe.two]",
        ],
    )
    assert found.parts["prior"]["energy"]["hidden"] == [50, 50]
    assert found.training.parts["prior"].lr == 1e-5 and found.training.max_steps == 5
    assert found.data["source"] == "2024" and found.data["noise"] is None
    assert found.parts["decoder"]["cell"] == "gru" and found.parts["decoder"]["tied"] is True
    assert found.evaluation["baselines"] == ["f0"]
    assert found.evaluation["metrics"] == ["toyrecipe.one", "toyrecipe.two"]
    assert load(path, None, ["prior.name=gaussian"]).parts["prior"]["name"] == "gaussian"
    assert load(path, None, ["data.source=${x}"]).data["source"] == "${x}"


def test_another_part_resets_its_table(path):
    found = apply(load(path), {"decoder.name": "toyrecipe.other", "decoder.depth": 2})
    assert found.parts["decoder"] == {"name": "toyrecipe.other", "hidden": [32], "depth": 2}
    for none in ("", "none"):
        assert apply(found, {"encoder.name": none}).parts["encoder"] is None
        assert apply(found, {"encoder": none}).parts["encoder"] is None
    same = load(path, None, ["decoder.name=toyrecipe.mlp"])
    assert same.parts["decoder"]["hidden"] == (8, 8)


def test_another_prior_keeps_its_dimension_and_its_reference_and_no_more(path):
    overrides = {"prior.reference_std": 0.5, "prior.energy.hidden": [7]}
    gaussian = apply(apply(load(path), overrides), {"prior.name": "gaussian"}).parts["prior"]
    assert gaussian == {"name": "gaussian", "latent_dim": 4, "reference_std": 0.5}
    assert load(path, None, ["data.name=toyrecipe.data"]).data["batch_size"] == 16
    coupled = apply(load(path), {"prior.name": "coupled"}).parts["prior"]
    assert coupled["latent_dim"] == 4 and coupled["bound"] == 10.0
    assert coupled["sampler"]["steps"] == 60  # the options of its parts were the other prior's


def test_another_sampler_leaves_the_rest_of_the_prior(path):
    prior = load(path, None, ["prior.sampler.name=mala"]).parts["prior"]
    assert prior["sampler"] == {"name": "mala", "steps": 60, "step_size": 0.4, "drift": 0.0}
    assert prior["bound"] == 5.0


@pytest.mark.parametrize("preset", [None, "cpu", "smoke"])
def test_the_dump_is_commented_toml_that_reads_back_equal(path, tmp_path, preset):
    found = load(path, preset, ["data.noise=none", 'summary="a \\"quoted\\" \\\\ word"'])
    text = dump(found)
    written = tmp_path / "run" / "recipe.toml"
    written.parent.mkdir()
    written.write_text(text)
    assert load(written) == found
    assert "steps = 30  # number of steps" in text or preset == "cpu"
    assert "rows = 100  # how many rows, in each split" in text
    assert "[prior.sampler]" in text and "[training.parts.prior]" in text
    assert apply(found, {}) == found


def test_a_recipe_that_names_little_has_all_tables(path):
    path.write_text('[data]\nname = "toyrecipe.data"\n[decoder]\nname = "toyrecipe.mlp"\n')
    found = load(path)
    assert found.name == "toy" and found.parts["encoder"] is None and found.baselines == {}
    assert found.learning["name"] == "two-part"
    assert found.learning["decoder"]["name"] == "variational"
    assert found.learning["prior"]["name"] == "density-ratio"
    assert load(path, None, ["seed=1"]) == apply(found, {"seed": 1})


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("bound = 5.0", "bund = 5.0", ["toy.toml, line 13", '"prior.bund"', '"prior.bound"']),
        ("bound = 5.0", 'bound = "5"', ["line 13", "prior.bound", "a number", '"5"']),
        ("steps = 30", "steps = 30.5", ["line 16", "prior.sampler.steps", "an integer", "30.5"]),
        ("steps = 30", "stebs = 30", ["line 16", 'mean "prior.sampler.steps"']),
        ("bound = 5.0", "steps = 30", ["line 13", 'mean "prior.sampler.steps"']),
        ("hidden = [8, 8]", "hidden = 8", ["decoder.hidden", "a list of integers"]),
        ("hidden = [8, 8]", 'hidden = ["a"]', ["decoder.hidden", "a list of integers"]),
        ("hidden = [8, 8]", 'cell = "grut"', ["decoder.cell", '"lstm", "gru"', 'mean "gru"']),
        ("hidden = [8, 8]", "zoom = 2", ['no option "decoder.zoom"', "[decoder] accepts name"]),
        ('"toyrecipe.one"', '"toyrecipe.onne"', ["line 29", "toyrecipe.onne", '"toyrecipe.one"']),
        ("draws = 7", "draw = 7", ["line 30", 'mean "evaluation.draws"']),
        ("[prior]\n", "[priors]\n", ["line 11", 'no option "priors"', 'mean "prior"']),
        ("[prior.sampler]", "[prior.sampling]", ["line 15", 'mean "prior.sampler"']),
        ("clip = 1.0", "clib = 1.0", ["line 26", 'mean "training.parts.prior.clip"']),
        ('name = "toyrecipe.data"', "", ["must name its data"]),
        ('[decoder]\nname = "toyrecipe.mlp"', "[decoder]", ["line 18", "must name its decoder"]),
        ('"prior.sampler.steps" = 20', '"prior.sampler.stebs" = 20', ["line 43", "sampler.steps"]),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence_with_its_line(rewrite, old, new, words):
    with pytest.raises(UsageError) as error:
        load(rewrite(old, new), "cpu")
    sentence = str(error.value)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence, sentence


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("prior.bund=3", ['"prior.bund=3"', '"prior.bound"']),
        ("prior.sampler.steps=three", ['"prior.sampler.steps=three"', "an integer", '"three"']),
        ("prior.sampler.steps=true", ["an integer"]),
        ("decoder.tied=1", ["true or false"]),
        ("prior=3", ['"prior" is a table', '"prior=3"']),
        ("prior.bound", ["not of the form key=value"]),
        ("training.schedule=cosin", ['"cosine"']),
        ("prior.name=emb", ['"prior.name=emb"', 'Did you mean "ebm"?']),
        ("prior.energy.activation=relu", ['"leaky_relu"']),
        ("prior.reference=normal", ['"uniform"']),
        ("inference.name=amortised", ['Did you mean "amortized"?']),
        ("learning.decoder.name=vae", ["variational"]),
        ("learning.prior.name=density_ratio", ['Did you mean "density-ratio"?']),
        ("learning.nmae=two-part", ['Did you mean "learning.name"?']),
        ("prior.energy.hidden=[a]", ["a list of integers", '"[a]"']),
        ("decoder.name=toyrecipe.mlpp", ['"toyrecipe.mlp"']),
        ("model.name=latent-ebn", ['"latent-ebm"']),
        ("prior.bound.x=3", ["prior.bound must be a number", "{'x': 3}"]),
        ("prior.sampler.steps.x=3", ["prior.sampler.steps must be an integer"]),
        ("data.noise=[1]", ["data.noise", "a number"]),
        ("evaluation.metrics=3", ["a list of strings"]),
        ("evaluation.judge=3", ['"evaluation.judge" is a table']),
        ("encoder.name=3.5x", ["3.5x"]),
        ("prior.name=[1]", ["prior.name must be a string"]),
    ],
)
def test_a_mistake_in_an_override_quotes_it(path, override, words):
    with pytest.raises(UsageError) as error:
        load(path, None, [override])
    for word in words:
        assert word in str(error.value), str(error.value)
    assert "\n" not in str(error.value)


def test_options_without_a_part_are_refused(path):
    with pytest.raises(UsageError, match='no option "encoder.hidden"'):
        load(path, None, ["encoder.name=", "encoder.hidden=[3]"])


def test_an_option_without_default_must_be_set(rewrite):
    import toyrecipe

    toyrecipe.one = lambda needed: None
    path = rewrite("draws = 7\n", "")
    with pytest.raises(UsageError, match='The recipe must set "evaluation.needed"'):
        load(path)
    assert load(path, None, ["evaluation.needed=3"]).evaluation["needed"] == 3


def test_unknown_recipe_preset_and_unreadable_files(path, tmp_path):
    with pytest.raises(UsageError, match='no preset "cpo". Did you mean "cpu"'):
        load(path, "cpo")
    with pytest.raises(UsageError, match='no recipe file .* Did you mean "toy.toml"'):
        load(tmp_path / "toi.toml")
    (tmp_path / "empty.toml").write_text("")
    with pytest.raises(UsageError, match="empty.toml: the recipe is empty"):
        load(tmp_path / "empty.toml")
    (tmp_path / "bytes.toml").write_bytes(b'[data]\nname = "\xff"\n')
    with pytest.raises(UsageError, match="bytes.toml, line 2: .* UTF-8"):
        load(tmp_path / "bytes.toml")
    (tmp_path / "broken.toml").write_text("[data\n")
    with pytest.raises(UsageError, match="broken.toml is not valid TOML: .*line 1"):
        load(tmp_path / "broken.toml")


def test_without_a_gpu_the_default_preset_is_cpu(path, monkeypatch):
    monkeypatch.setattr(recipe, "gpu_found", lambda: True)
    assert default_preset(path) == "cpu"  # the recipe has no paper preset
    with path.open("a") as file:
        file.write("\n[preset.paper]\n")
    assert default_preset(path) == "paper"
    monkeypatch.setattr(recipe, "gpu_found", lambda: False)
    assert default_preset(path) == "cpu"
    path.write_text(path.read_text().replace("[preset.cpu]", "[preset.own]"))
    assert default_preset(path) == ""


def test_torch_is_asked_for_a_gpu_only_where_build_and_driver_are_there(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for built, driver in ((True, True), (True, False), (False, True)):
        monkeypatch.setattr(gpu, "_built_for_gpu", lambda built=built: built)
        monkeypatch.setattr(gpu, "_driver_found", lambda driver=driver: driver)
        assert gpu.gpu_found() == (built and driver)


@pytest.mark.parametrize(
    ("text", "built"),
    [
        ("cuda: Optional[str] = None\nhip: Optional[str] = None\n", False),
        ("cuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n", True),
        ("cuda = '12.6'\n", True),
        ("cuda: Optional[str] = None\nhip: Optional[str] = '6.4'\n", True),
    ],
)
def test_the_build_of_torch_is_read_from_its_version_file(tmp_path, monkeypatch, text, built):
    (tmp_path / "version.py").write_text(text)
    spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})()
    monkeypatch.setattr(gpu, "find_spec", lambda name: spec)
    assert gpu._built_for_gpu() == built


def test_a_recipe_is_resolved_and_written_without_torch():
    code = (
        "import sys\n"
        "from lebm_core.run.config.recipe import default_preset, dump, load\n"
        "dump(load('text-ptb', default_preset('text-ptb')))\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_on_other_data_a_recipe_keeps_no_word_of_its_own(path):
    plain = load(path, "cpu")
    assert plain.expected and plain.published and plain.minutes
    own = load(path, "cpu", ["data.source=somewhere/my.csv"])
    assert own.summary == "The settings of toy on my.csv"
    assert (own.expected, own.published, own.minutes) == ("", {}, {})
    assert own.baselines["f0"].expected == "" and own.baselines["f0"].published == {}
    assert 'expected = ""' in dump(own) and "388" not in dump(own)
    again = load(path, "cpu", ["training.epochs=3"])
    assert again.summary == plain.summary and again.expected == plain.expected


def test_a_baseline_says_what_it_is_on_any_data(path):
    told = 'baseline.f0.summary="without the tilt"'
    for source in ([], ["data.source=my.csv"]):
        assert load(path, None, [told, *source]).baselines["f0"].summary == "without the tilt"


def test_data_without_classes_have_a_table_of_their_own(path):
    path.write_text(
        path.read_text() + '\n[unlabelled]\n"prior.bound" = 2.0\n"evaluation.draws" = 1\n'
    )
    assert load(path, "cpu").parts["prior"]["bound"] == 5.0
    found = load(path, "cpu", ["evaluation.draws=3"], classes=False)
    assert found.parts["prior"]["bound"] == 2.0 and found.evaluation["draws"] == 3
    path.write_text(path.read_text() + '"prior.bouns" = 2.0\n')
    with pytest.raises(UsageError, match=r'line \d+: there is no option "prior.bouns"'):
        load(path, "cpu", classes=False)
