"""Recipes: the merge, the types, the sentences, and the dump that reads back as it is."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Literal, get_args

import pytest

import lebm_core.registry.registry
from lebm_core.errors import UsageError
from lebm_core.learning.options import InferenceOptions, LearningOptions, PriorOptions
from lebm_core.registry.hookspecs import hookimpl
from lebm_core.registry.registry import Registry
from lebm_core.run.old.recipe import apply, default_preset, dump, load, metric_options, options
from lebm_core.run.old.schema import from_signature, gathered, help_texts

RECIPE = """\
summary = "toy"
expected = "nothing"

[minutes]
cpu = 2

[data]
name = "toyrecipe.data"
batch_size = 16

[prior]
latent_dim = 4
steps = 30

[decoder]
name = "toyrecipe.mlp"
hidden = [8, 8]

[encoder]
name = "toyrecipe.mlp"

[evaluation]
metrics = ["toyrecipe.one", "toyrecipe.two"]
draws = 7

[published."Pang et al. 2020, figure 3.1"]
fppl = 388

[control.f0]
"prior.kind" = "gaussian"

[control.wide]
decoder.hidden = [64]

[preset.cpu]
"prior.steps" = 20

[preset.smoke]
training.epochs = 1
control.f0."training.epochs" = 2
evaluation.controls = ["f0"]
"""


def build(*, files, seed, rows: int = 100, source: str = "", noise: float | None = 0.1):
    """Toy data.

    Args:
        rows: how many rows,
            in each split.
        source: the user's own file.
    """


class MLP:
    """A toy network.

    Args:
        latent_dim: dimension of z.
        hidden: widths.
    """

    def __init__(
        self,
        latent_dim: int,
        features: int,
        hidden: tuple[int, ...] = (16,),
        cell: Literal["lstm", "gru"] = "lstm",
        dropout: float = 0.0,
        tied: bool = False,
    ):
        pass


class Other:
    def __init__(self, latent_dim: int, hidden: list[int] = [32], depth: int = 3):  # noqa: B006
        pass


def one(draws: int = 5, batch: int = 10):
    """Args:
    draws: z for each x.
    """


def two(batch: int = 20, mode: str = "greedy"):
    pass


@hookimpl
def lebm_register_datasets(register):
    register("toyrecipe.data", "toyrecipe:build")


@hookimpl
def lebm_register_decoders(register):
    register("toyrecipe.mlp", "toyrecipe:MLP")
    register("toyrecipe.other", "toyrecipe:Other")


@hookimpl
def lebm_register_encoders(register):
    register("toyrecipe.mlp", "toyrecipe:MLP")


@hookimpl
def lebm_register_metrics(register):
    register("toyrecipe.one", "toyrecipe:one")
    register("toyrecipe.two", "toyrecipe:two")


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A recipe file over a plugin made of this very module."""
    module = types.ModuleType("toyrecipe")
    module.__dict__.update(
        {name: value for name, value in globals().items() if not name.startswith("__")}
    )
    monkeypatch.setitem(sys.modules, "toyrecipe", module)
    found = Registry([EntryPoint("toyrecipe", "toyrecipe", "lebm")])
    monkeypatch.setattr(lebm_core.registry.registry, "discover", lambda: found)
    file = tmp_path / "toy.toml"
    file.write_text(RECIPE)
    return file


def rewritten(path, old, new):
    assert old in RECIPE
    path.write_text(RECIPE.replace(old, new))
    return path


def test_defaults_recipe_preset_and_overrides_stack(path):
    plain = load(path)
    assert plain.name == "toy" and plain.preset == "" and plain.seed == 0
    assert plain.prior.steps == 30 and plain.prior.hidden == [200, 200]
    assert plain.minutes == {"cpu": "2"}
    assert plain.published == {"Pang et al. 2020, figure 3.1": {"fppl": 388.0}}
    assert load(path, "cpu").prior.steps == 20
    assert load(path, "cpu", ["prior.steps=10", "seed=3"]).prior.steps == 10
    assert load(path, None, ["seed=3"]).seed == 3


def test_components_are_typed_by_their_signatures(path):
    recipe = load(path)
    assert recipe.data == {
        "name": "toyrecipe.data",
        "batch_size": 16,
        "rows": 100,
        "source": "",
        "noise": 0.1,
    }
    # latent_dim and features have no default: the program fills them from prior and data.
    assert options(recipe.decoder) == {
        "hidden": (8, 8),
        "cell": "lstm",
        "dropout": 0.0,
        "tied": False,
    }
    assert load(path, None, ["decoder.dropout=1"]).decoder["dropout"] == 1.0


@dataclass(frozen=True)
class Ring:
    """Some options.

    Attributes:
        width, height: of the ring.
        closed: whether it is.
    """

    width: int = 3
    height: int = 4
    closed: bool = True


def rings(*, seed: int, name: str = "", ring: Ring = Ring(height=9)) -> tuple[str, Ring]:  # noqa: B008
    return name, ring


def test_a_dataclass_of_options_is_spread_over_the_keys() -> None:
    schema = from_signature(rings, skip=("seed",))
    made = schema()
    assert (made.name, made.width, made.height, made.closed) == ("", 3, 9, True)
    assert help_texts(schema) == {
        "name": "", "width": "of the ring", "height": "of the ring", "closed": "whether it is",
    }  # fmt: skip
    given = gathered(rings, {"name": "a", "width": 5})
    assert rings(seed=0, **given) == ("a", Ring(5, 9, True))


def test_metrics_share_one_table_and_keep_their_own_defaults(path):
    recipe = load(path)
    assert metric_options(recipe, "toyrecipe.one") == {"draws": 7}
    assert metric_options(recipe, "toyrecipe.two") == {"mode": "greedy"}
    agreed = load(path, None, ["evaluation.batch=3"])
    assert metric_options(agreed, "toyrecipe.one") == {"draws": 7, "batch": 3}
    assert metric_options(agreed, "toyrecipe.two") == {"mode": "greedy", "batch": 3}


def test_values_are_toml_or_else_bare_strings(path):
    recipe = load(
        path,
        None,
        [
            "prior.hidden=[50, 50]",
            "prior.kind=gaussian",
            "training.lr_prior=1e-5",
            "training.max_steps=5",
            "data.source=2024",
            "data.noise=none",
            "decoder.cell=gru",
            "decoder.tied=true",
            "evaluation.controls=[ f0 ]",
            "evaluation.metrics=[toyrecipe.one,toyrecipe.two]",
        ],
    )
    assert recipe.prior.hidden == [50, 50] and recipe.prior.kind == "gaussian"
    assert recipe.training.lr_prior == 1e-5 and recipe.training.max_steps == 5
    assert recipe.data["source"] == "2024" and recipe.data["noise"] is None
    assert recipe.decoder["cell"] == "gru" and recipe.decoder["tied"] is True
    assert recipe.evaluation["controls"] == ["f0"]
    assert recipe.evaluation["metrics"] == ["toyrecipe.one", "toyrecipe.two"]


def test_controls_are_kept_and_a_preset_selects_and_changes_them(path):
    recipe = load(path)
    assert recipe.controls == {
        "f0": {"prior.kind": "gaussian"},
        "wide": {"decoder.hidden": [64]},
    }
    assert recipe.evaluation["controls"] == ["f0", "wide"]
    smoke = load(path, "smoke")
    assert smoke.controls == {"f0": {"prior.kind": "gaussian", "training.epochs": 2}}
    control = apply(smoke, smoke.controls["f0"])
    assert control.prior.kind == "gaussian" and control.training.epochs == 2
    assert smoke.prior.kind == "ebm" and smoke.training.epochs == 1


def test_a_recipe_without_controls_takes_other_values_too(path):
    path.write_text(RECIPE[: RECIPE.index("[control.f0]")])
    recipe = load(path)
    assert recipe.controls == {} and apply(recipe, {"training.epochs": 7}).training.epochs == 7


def test_another_component_starts_its_table_anew(path):
    recipe = apply(load(path), {"decoder.name": "toyrecipe.other", "decoder.depth": 2})
    assert recipe.decoder == {"name": "toyrecipe.other", "hidden": [32], "depth": 2}
    assert apply(recipe, {"encoder.name": ""}).encoder == {"name": ""}


@pytest.mark.parametrize("preset", [None, "cpu", "smoke"])
def test_the_dump_is_commented_toml_that_reads_back_equal(path, tmp_path, preset):
    recipe = load(path, preset, ["data.noise=none", 'summary="a \\"quoted\\" \\\\ word"'])
    text = dump(recipe)
    written = tmp_path / "run" / "recipe.toml"
    written.parent.mkdir()
    written.write_text(text)
    assert load(written) == recipe
    assert "steps = " in text and "# Langevin steps of a prior chain" in text
    assert "rows = 100  # how many rows, in each split" in text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("steps = 30", "stepz = 30", ["toy.toml, line 13", '"prior.stepz"', '"prior.steps"']),
        ("steps = 30", 'steps = "30"', ["line 13", "prior.steps", "an integer", "'30'"]),
        ("steps = 30", "steps = 30.5", ["line 13", "an integer", "30.5"]),
        ("hidden = [8, 8]", "hidden = 8", ["decoder.hidden", "a list of integers"]),
        ("hidden = [8, 8]", 'hidden = ["a"]', ["decoder.hidden", "a list of integers"]),
        ("hidden = [8, 8]", 'cell = "grut"', ["decoder.cell", '"lstm", "gru"', 'mean "gru"']),
        ("hidden = [8, 8]", "features = 2", ['no option "decoder.features"', "[decoder] accepts"]),
        ('"toyrecipe.one"', '"toyrecipe.onne"', ["line 23", "toyrecipe.onne", '"toyrecipe.one"']),
        ("draws = 7", "draw = 7", ["line 24", '"evaluation.draws"']),
        ("[prior]\n", "[priors]\n", ["priors.latent_dim", '"prior.latent_dim"']),
        ('"prior.kind" =', '"prior.kid" =', ["line 30", 'no option "prior.kid"']),
        ('name = "toyrecipe.data"', "", ["must name its data"]),
        ('["f0"]', '["f1"]', ["evaluation.controls", '"f1"', "Known: f0, wide"]),
        ('"prior.steps" = 20', '"prior.stebs" = 20', ["line 36", '"prior.steps"']),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence_with_its_line(path, old, new, words):
    preset = "smoke" if "f1" in new else "cpu"
    with pytest.raises(UsageError) as error:
        load(rewritten(path, old, new), preset)
    sentence = str(error.value)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence, sentence


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("prior.stepz=3", ['"prior.stepz=3"', '"prior.steps"']),
        ("prior.steps=three", ['"prior.steps=three"', "an integer", "'three'"]),
        ("prior.steps=true", ["an integer"]),
        ("decoder.tied=1", ["true or false"]),
        ("prior=3", ['"prior" is a table']),
        ("prior.steps", ["not of the form key=value"]),
        ("training.schedule=cosin", ['"cosine"']),
        ("prior.kind=emb", ['"prior.kind=emb"', 'Did you mean "ebm"?']),
        ("prior.activation=relu", ['"leaky_relu"']),
        ("prior.reference=normal", ['"uniform"']),
        ("inference.kind=amortised", ['Did you mean "amortized"?']),
        ("inference.init=noise", ['"data"']),
        ("learning.decoder=vae", ['"variational"']),
        ("learning.tilt=density_ratio", ['Did you mean "density-ratio"?']),
        ("learning.chain_init=prior", ['"reference"']),
        ("prior.hidden=[a]", ["a list of integers", "'[a]'"]),
        ("decoder.name=toyrecipe.mlpp", ['"toyrecipe.mlp"']),
        ("prior.steps.x=3", ['no option "prior.steps.x"']),
        ("data.noise=[1]", ["data.noise", "a number"]),
        ("data.source=${x}", ["cannot be resolved"]),
    ],
)
def test_a_mistake_in_an_override_quotes_it(path, override, words):
    with pytest.raises(UsageError) as error:
        load(path, None, [override])
    for word in words:
        assert word in str(error.value), str(error.value)
    assert "\n" not in str(error.value)


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
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert default_preset(path) == "cpu"  # the recipe has no paper preset
    path.write_text(RECIPE + "\n[preset.paper]\n")
    assert default_preset(path) == "paper"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert default_preset(path) == "cpu"


def test_the_choices_are_those_that_the_code_knows():
    from lebm_core.latent.build import build_inference
    from lebm_core.learning.two_part import DECODER_RULES, TILT_RULES
    from lebm_core.priors.coupled import build_prior
    from lebm_core.priors.energy import ACTIVATIONS
    from lebm_core.run.old.schema import leaf_types

    prior, learning = leaf_types(PriorOptions), leaf_types(LearningOptions)
    assert set(get_args(prior["activation"])) == set(ACTIVATIONS)
    assert set(get_args(learning["decoder"])) == set(DECODER_RULES)
    assert set(get_args(learning["tilt"])) == set(TILT_RULES)
    for kind in get_args(prior["kind"]):
        build_prior(PriorOptions(kind=kind, latent_dim=2, n_classes=2))
    for kind in get_args(leaf_types(InferenceOptions)["kind"]):
        build_inference(InferenceOptions(kind=kind))
