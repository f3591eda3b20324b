"""What every registered part promises, checked by kind: see `lebm_core.contracts`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lebm_cooperative.data.plane import moons_rings
from lebm_cooperative.models.energy_generator import EnergyGenerator
from lebm_cooperative.models.pair_energy import PairEnergyGenerator
from lebm_cooperative.models.two_domains import TwoDomains
from lebm_core import EBMPrior, GaussianPrior, contracts
from lebm_core.contracts.options import OPTIONLESS
from lebm_core.contracts.parts import drawn_examples
from lebm_core.data.splits import SplitCounts
from lebm_core.errors import MissingData, MissingExtra
from lebm_core.models.ebm import EBM
from lebm_core.registry.registry import registry
from lebm_core.run.build import build_dataset, build_model
from lebm_core.run.config.layers import read_source
from lebm_core.run.config.recipe import load
from lebm_foils.models.denoising import DenoisingAutoencoder
from lebm_foils.networks.perceptron import PerceptronDecoder, PerceptronEncoder

OBSERVED, PREDICTED, NEIGHBOURS = 4, 5, 2
SIZES: dict[str, Any] = {
    "features": 3, "vocab_size": 12, "max_length": 5, "symbols": list("_<>?CNO()=12"),
    "channels": 1, "side": 28, "steps": 5,
    "observed": OBSERVED, "predicted": PREDICTED, "neighbours": NEIGHBOURS,
}  # fmt: skip
WIDTHS = {"context_dim": 2 * (OBSERVED - 1) + 5 * NEIGHBOURS}  # of those that see a context
CONDITIONED = ("trajectories",)
OPTIONS: dict[str, dict[str, Any]] = {
    "perceptron": {"shape": [3], "hidden": [6]},
    "sequence": {"embed_dim": 4, "hidden": 6},
    "sequence.ladder": {"embed_dim": 4, "hidden": 6, "segments": 3, "segment_length": 2},
    "molecules.smiles": {"embed_dim": 4, "hidden": 6},
    "images.deconv": {"width": 0.125},
    "images.ladder": {"levels": 2, "width": 4},
    "text.transformers": {"width": 8, "layers": 1, "heads": 2},
    "convolution": {"shape": [2, 5, 4], "widths": [3, 4]},
    "multigrid": {
        "shape": [1, 1, 2],
        "grids": 1,
        "energy": {"widths": [3]},
        "sampler": {"steps": 2},
    },
    "frame": {"shape": [1, 9, 9], "wavelengths": [3.0], "orientations": 2},
    "voxels": {"shape": [1, 3, 4, 5], "widths": [2, 3]},
    "set": {"shape": [5, 3], "widths": [4], "hidden": [3]},
    "noisy-set": {"shape": [5, 3], "width": 4},
    "video": {"shape": [1, 3, 4, 5], "widths": [2, 3]},
    "dynamic": {"shape": [1, 1, 3, 2], "state": 1, "transition": [3], "frame": [4]},
    "map-deconv": {"side": 2, "widths": [3, 4]},
    "mixer": {"shape": [2, 3], "width": 4},
    "residual": {"shape": [1, 1, 2], "width": 4, "blocks": 1},
    "glow": {"shape": [2, 1, 1], "squeezes": 0, "steps": 2, "width": 8},
    "pixelcnn": {"shape": [1, 4, 3], "levels": 5, "width": 4, "layers": 1, "kernel": 3},
    "flow": {"transforms": 2, "hidden": [16]},
    "tilted-flow": {
        "transforms": 2,
        "hidden": [16],
        "sampler": {"name": "resampling", "candidates": 20},
    },
    "tempering": {"steps": 40, "temperatures": 4},
    "driving-cost": {"context_dim": 12},
    "rbm": {"visible": "gaussian"},  # of the binary one: tests/lebm_energies/test_rbm.py
}
BOUNDED = (
    "priors", "energies", "samplers", "decoders", "encoders", "inference", "learning_rules",
)  # fmt: skip
LATENT = {"map-deconv": 9, "sequence.ladder": 20}  # of those that cannot do with two dimensions
# Of an encoder with another name.
DECODER_OF = {"images.conv": "images.deconv", "sequence.counts": "sequence"}

LINES = ["a cat sat on the mat", "the dog ran to the cat", "on the mat a dog sat"] * 4
MOLECULES = ["CCO", "c1ccccc1", "CC(=O)O", "CCN", "C1CCCCC1", "CCOC"] * 2
X: dict[str, Any] = {
    "images.conv": np.random.default_rng(0).random((6, 28, 28)),
    "images.deconv": np.random.default_rng(0).random((6, 28, 28)),
    "molecules": MOLECULES,
    "tabular": np.random.default_rng(0).normal(size=(8, 3)),
    "tabular.bag": np.random.default_rng(0).poisson(1.0, (8, 5)) + 1.0,
    "text.bag": LINES,
    "text.lstm": LINES,
    "trajectories": np.random.default_rng(0).normal(size=(6, 8, 2)).cumsum(1),
}
CONTROLS = {"y": "1", "goal": "1,0"}

SMALL: dict[str, dict[str, Any]] = {
    "cooperative.moons-rings": {"train": 100, "valid": 50, "test": 50},
    "cooperative.fonts": {"train": 20, "valid": 10, "test": 10},
    "cooperative.sorted-tokens": {"train": 100, "valid": 50, "test": 50},
    "energies.driving": {"train": 20, "valid": 10, "test": 10, "chain_steps": 8},
    "images.cifar10": {"train_images": 100, "valid": 100},
    "images.eurosat": {"train_images": 100, "valid": 100},
    "tabular.8gaussians": {"train": 100, "valid": 50, "test": 50},
    "tabular.pinwheel": {"train": 100, "valid": 50, "test": 50},
    "tabular.rings": {"train": 100, "valid": 50, "test": 50},
    "energies.solids": {"train": 9, "valid": 6, "test": 6, "side": 6},
    "energies.clouds": {"train": 9, "valid": 6, "test": 6, "points": 16},
    "energies.texture-video": {"train": 9, "valid": 6, "test": 6, "frames": 4, "side": 6},
    "trajectories.crowd": {"train": 100, "valid": 50, "test": 50},
    "trajectories.file": {"valid_share": 0.2, "test_share": 0.2},
}
SLOW = {
    "images.cifar10", "images.eurosat", "molecules.qm9", "molecules.zinc", "text.agnews",
    "text.dailydialog", "text.ptb", "text.yelp_shen", "trajectories.eth_ucy", "trajectories.sdd",
}  # fmt: skip


def named(kind: str) -> Any:
    """Every registered name of a kind."""
    return pytest.mark.parametrize("name", registry().names(kind))


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def available(check: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """The check's result; the test is skipped where a file or a package is not here."""
    try:
        return check(*args, **options)
    except (MissingData, MissingExtra) as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("kind", "name"),
    [(k, n) for k in registry().kinds() if k not in OPTIONLESS for n in registry().names(k)],
)
def test_options_are_the_same_in_the_source_and_explained(kind: str, name: str) -> None:
    static = available(contracts.check_options, kind, name)
    assert static, "lebm recipe --show would have to import it"


@named("decoders")
def test_decoders(name: str) -> None:
    sizes = SIZES | (WIDTHS if name in CONDITIONED else {})
    available(contracts.check_decoder, name, sizes, OPTIONS.get(name), LATENT.get(name, 2))


@named("encoders")
def test_encoders(name: str) -> None:
    sizes = SIZES | (WIDTHS if name in CONDITIONED else {})
    decoder, latent_dim = DECODER_OF.get(name, name), LATENT.get(name, 2)
    x, context = available(drawn_examples, decoder, sizes, OPTIONS.get(decoder), latent_dim)
    contracts.check_encoder(
        name, x, sizes, OPTIONS.get(name), context=context, latent_dim=latent_dim
    )


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in BOUNDED for name in registry().names(kind)],
)
def test_options_have_bounds(kind: str, name: str) -> None:
    sizes = SIZES | {"latent_dim": LATENT.get(name, 2), "n_classes": 3}
    options = OPTIONS.get(name) if kind == "decoders" else None
    available(contracts.check_bounds, kind, name, sizes, options)


@named("adapters")
def test_adapters(name: str) -> None:
    assert name in X, "give it examples, in X above"
    available(contracts.check_adapter, name, X[name])


@named("priors")
def test_priors(name: str) -> None:
    contracts.check_prior(name, OPTIONS.get(name))


@named("energies")
def test_energies(name: str) -> None:
    contracts.check_energy(name, OPTIONS.get(name))


@named("samplers")
def test_samplers(name: str) -> None:
    contracts.check_sampler(name, OPTIONS.get(name))


@named("inference")
def test_inference(name: str) -> None:
    contracts.check_inference(name)


@named("learning_rules")
def test_learning_rules(name: str) -> None:
    model = None
    if name == "data-space":
        prior = EBMPrior(3, energy={"hidden": [8]}, sampler={"steps": 3})
        model = EBM(prior, [3])
    if name == "joint.walkback":
        decoder = PerceptronDecoder(2, [3], [8])
        model = DenoisingAutoencoder(GaussianPrior(2), decoder, PerceptronEncoder(2, [3], [8]))
    if name == "joint.cooperative":
        descriptor = EBMPrior(3, energy={"hidden": [8]}, sampler={"steps": 3})
        networks = PerceptronDecoder(2, [3], [8]), PerceptronEncoder(2, [3], [8])
        model = EnergyGenerator(GaussianPrior(2), *networks, descriptor=descriptor)
    if name in ("joint.adversarial", "joint.divergence-triangle", "joint.variational-energy"):
        pair = name == "joint.variational-energy"
        descriptor = EBMPrior(5 if pair else 3, energy={"hidden": [8]}, sampler={"steps": 3})
        networks = PerceptronDecoder(2, [3], [8]), PerceptronEncoder(2, [3], [8])
        family = PairEnergyGenerator if pair else EnergyGenerator
        model = family(GaussianPrior(2), *networks, descriptor=descriptor)
    if name in ("joint.gan", "joint.moment-matching"):
        descriptor = EBMPrior(3, energy={"hidden": [8]}, sampler={"steps": 3})
        decoder = PerceptronDecoder(2, [3], [8])
        model = EnergyGenerator(GaussianPrior(2), decoder, descriptor=descriptor)
    dataset = None
    if name == "joint.cycle":
        dataset = moons_rings(files=None, seed=0, options=SplitCounts(32, 8, 16))
        networks = PerceptronEncoder(2, [2], [8]), PerceptronDecoder(2, [2], [8])
        descriptor = EBMPrior(2, energy={"hidden": [8]}, sampler={"steps": 3})
        model = TwoDomains(*networks, descriptor, kept=4)
    contracts.check_rule(name, model=model, dataset=dataset, priors=OPTIONS)


@named("models")
def test_models(name: str) -> None:
    """On the first recipe of the family that needs no download, or the first row of one."""
    for each in registry().names("recipes"):
        table = read_source(each).table
        family = table.get("model", {}).get("name", "latent-ebm")
        named = table.get("baseline", {})
        rows = [row for row, of in named.items() if of.get("model.name") == name]
        if (family == name or rows) and not table.get("download", True):
            recipe = load(each, "smoke")
            recipe = recipe if family == name else recipe.baselines[rows[0]]
            model = build_model(recipe, available(build_dataset, recipe, None))
            contracts.check_model(model, name)
            return
    pytest.fail("no recipe without a download has this family")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
        for name in registry().names("datasets")
    ],
)
def test_datasets(name: str, tmp_path: Path) -> None:
    options = dict(SMALL.get(name, {}))
    if name in FILES:
        options["source"] = str(FILES[name](tmp_path))
    available(contracts.check_dataset, name, options)


def _lines(name: str, lines: list[str]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_text("\n".join(lines) + "\n")
        return folder / name

    return write


def _pictures(folder: Path) -> Path:
    x = np.random.default_rng(0).integers(0, 255, (30, 8, 8, 3), dtype=np.uint8)
    np.savez(folder / "own.npz", x=x)
    return folder / "own.npz"


SENTENCES = [
    f"the {n} {v}" for n in ("cat", "dog", "owl", "fox") for v in ("sat", "ran", "saw", "ate")
]

# Data sets of a user's own files.
FILES: dict[str, Callable[[Path], Path]] = {
    "images.folder": _pictures,
    "molecules.file": _lines("own.smi", MOLECULES * 5),
    "tabular.file": _lines("own.csv", ["a,b,label", *(f"{i},{i % 7},{i % 2}" for i in range(40))]),
    "text.file": _lines("own.txt", SENTENCES),
    "text.labelled": _lines("own.tsv", [f"{i % 2}\t{line}" for i, line in enumerate(SENTENCES)]),
    "trajectories.file": _lines(
        "own.txt", [f"{10 * t} {k} {0.4 * t + k} {k}" for t in range(120) for k in range(8)]
    ),
}


@named("metrics")
def test_metrics(name: str) -> None:
    available(contracts.check_metric, name)


@named("baselines")
def test_baselines(name: str) -> None:
    contracts.check_baseline(name)


@named("figures")
def test_figures(name: str) -> None:
    contracts.check_figure(name)


@named("controls")
def test_controls(name: str) -> None:
    assert contracts.check_control(name, CONTROLS[name]) is not None


@named("recipes")
def test_recipes(name: str) -> None:
    contracts.check_recipe(name)


@named("commands")
def test_commands(name: str) -> None:
    contracts.check_command(name)
