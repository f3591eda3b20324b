"""What users give to a model and to priors: converted where it can be, else refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lebm_core import (
    ClassIs,
    CoupledPrior,
    EBMPrior,
    Estimate,
    GaussianPrior,
    LatentEBM,
    MixturePrior,
    SequenceDecoder,
    SequenceEncoder,
    ShortRun,
    energy_profile,
    langevin,
    log_z,
)
from lebm_core.errors import UsageError
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder

X = torch.tensor([[1.0, 0.0, 2.0], [0.0, -1.0, 1.0]])  # whole numbers, the same in every type
CONTEXT = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
SHORT = {"steps": 3}
MANY = 10**12
FEW = {"temperatures": 3}
KNOWN = Estimate(torch.zeros(()), torch.zeros(()), None, "exact", 1)  # a log Z

Call = Callable[[LatentEBM, Any], Any]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def model() -> LatentEBM:
    torch.manual_seed(0)
    prior = CoupledPrior(2, 3, energy={"hidden": (8,)}, sampler=SHORT, bound=1.0)
    return LatentEBM(prior, TabularDecoder(2, 3, (8,)), TabularEncoder(2, 3, (8,))).eval()


@pytest.fixture(scope="module")
def conditioned() -> LatentEBM:
    torch.manual_seed(0)
    prior = EBMPrior(2, energy={"hidden": (8,)}, sampler=SHORT, context_dim=2)
    return LatentEBM(prior, TabularDecoder(2, 3, (8,)), TabularEncoder(2, 3, (8,))).eval()


@pytest.fixture(scope="module")
def tokens() -> LatentEBM:
    torch.manual_seed(0)
    decoder = SequenceDecoder(2, 9, embed_dim=4, hidden=5, max_length=6)
    encoder = SequenceEncoder(2, 9, embed_dim=4, hidden=5)
    return LatentEBM(EBMPrior(2, energy={"hidden": (8,)}, sampler=SHORT), decoder, encoder).eval()


CALLS: dict[str, Call] = {
    "posterior": lambda m, x: m.posterior(x, generator=seeded()),
    "short run": lambda m, x: m.posterior(x, inference=ShortRun(SHORT), generator=seeded()),
    "code": lambda m, x: m.code(x),
    "reconstruct": lambda m, x: m.reconstruct(x),
    "interpolate": lambda m, x: m.interpolate(x[:1], x[1:], 3),
    "complete": lambda m, x: m.complete(x, np.eye(2, 3), steps=3, generator=seeded()),
    "classify": lambda m, x: m.classify(x, draws=2, generator=seeded()),
    "score": lambda m, x: m.score(x).total,
    "log_prob": lambda m, x: m.log_prob(x, n_samples=3, log_z=KNOWN, generator=seeded()).value,
    "ais": lambda m, x: (
        m.log_prob(x, method="ais", log_z=KNOWN, n_samples=2, **FEW, generator=seeded()).value
    ),
    "decode": lambda m, x: m.decode(x[:, :2] if hasattr(x, "ndim") else [r[:2] for r in x],
                                    generator=seeded()),
    "decode_mode": lambda m, x: m.decode_mode(np.asarray(x)[:, :2]),
}  # fmt: skip
TYPES: dict[str, Callable[[Tensor], Any]] = {
    "float64": Tensor.double,
    "half": Tensor.half,
    "bfloat16": Tensor.bfloat16,
    "integers": Tensor.long,
    "array": lambda x: x.double().numpy(),
    "array of integers": lambda x: x.numpy().astype(np.int16),
    "array of objects": lambda x: x.numpy().astype(object),
    "list": Tensor.tolist,
    "list of tensors": lambda x: list(x),
}


@pytest.mark.parametrize("name", CALLS)
def test_numbers_of_any_type_give_the_same_to_the_last_digit(name: str, model: LatentEBM) -> None:
    expected = CALLS[name](model, X)
    for kind, convert in TYPES.items():
        if name == "decode_mode" and kind in ("bfloat16", "list of tensors"):
            continue  # the test's own np.asarray takes neither
        assert torch.equal(CALLS[name](model, convert(X)), expected), kind


@pytest.mark.parametrize("name", CALLS)
def test_every_method_works_in_inference_mode(name: str, model: LatentEBM) -> None:
    expected = CALLS[name](model, X)
    with torch.inference_mode():
        assert torch.equal(CALLS[name](model, X.clone()), expected)
        assert log_z(model.prior, method="ais", n_samples=20, temperatures=3).value.isfinite()


WRONG: dict[str, tuple[Any, str]] = {
    "width": (X[:, :2], r"x has the shape \(2, 2\); use \(B, 3\)"),
    "axes": (X[None], r"x has the shape \(1, 2, 3\); use \(B, 3\)"),
    "one row": (X[0], r"x has the shape \(3,\); use \(B, 3\): one row alone is x\[None\]"),
    "number": (1.0, r"x has the shape \(\); use \(B, 3\)"),
    "empty": (X[:0], r"x has the shape \(0, 3\); use \(B, 3\), B at least 1"),
    "ragged": ([[1.0, 2.0, 3.0], [1.0]], "x is a list of list; use a tensor, an array"),
    "words": (["a", "b"], "x is a list of str"),
    "string": ("abc", "x is a str"),
    "none": (None, "x is a NoneType"),
    "complex": (X + 1j, "x holds complex numbers"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", ["posterior", "reconstruct", "score", "classify", "log_prob"])
def test_x_of_another_shape_or_kind_is_named(name: str, wrong: str, model: LatentEBM) -> None:
    x, words = WRONG[wrong]
    with pytest.raises(UsageError, match=words):
        CALLS[name](model, x)
    with pytest.raises(UsageError, match=words):
        model.complete(x, True)  # type: ignore[arg-type]


REFUSED: list[tuple[str, Callable[[LatentEBM], Any]]] = [
    ("n = 1.5 is not possible; use a whole number", lambda m: m.sample(1.5)),
    ("n = 0 is too small; use at least 1", lambda m: m.sample(0)),
    ('n = "3" is not possible', lambda m: m.sample("3")),
    ("batch_size = 0 is too small; use at least 1", lambda m: m.sample(2, batch_size=0)),
    ("n = 1,000,000,000,000 samples would need 12,000 GB", lambda m: m.sample(MANY)),
    (r"leave context out", lambda m: m.sample(2, context=CONTEXT)),
    (r"leave context out", lambda m: m.posterior(X, context=CONTEXT)),
    ('no option "temperature". Accepted are none', lambda m: m.sample(2, temperature=0.8)),
    ("generator = \"0\" is no torch.Generator", lambda m: m.sample(2, generator=0)),
    ("A control is a ClassIs", lambda m: m.sample(2, control="red")),
    ("A control is a ClassIs", lambda m: m.sample(2, control=[ClassIs(1), 3])),
    ("Class ids run from 0 to 2, not 1.5", lambda m: m.sample(2, y=1.5)),
    ("y has 3 classes for 2 samples", lambda m: m.sample(2, y=np.array([0, 1, 2]))),
    ("draws = 0 is too small", lambda m: m.classify(X, draws=0)),
    ("draws = 1000000000000 is too large", lambda m: m.classify(X, draws=MANY)),
    ("n_samples = 0 is too small", lambda m: m.log_prob(X, n_samples=0)),
    ("n_samples = 1000000000000 is too large", lambda m: m.log_prob(X, n_samples=MANY)),
    ("log_z is a float; give the Estimate", lambda m: m.log_prob(X, log_z=0.0)),
    ("temperatures = 0", lambda m: m.log_prob(X, method="ais", temperatures=0)),
    ("step_size = nan", lambda m: m.log_prob(X, method="ais", step_size=float("nan"))),
    (r"z has the shape \(2, 3\); use \(B, 2\)", lambda m: m.decode(X)),
    (r"z has the shape \(2,\); use \(B, 2\): one row alone is z\[None\]",
     lambda m: m.decode([1.0, 2.0])),
    ("steps = 0 is too small; use at least 1", lambda m: m.interpolate(X[:1], X[1:], 0)),
    ("x0 and x1 hold 2 and 1 examples", lambda m: m.interpolate(X, X[:1])),
    (r"mask has the shape \(2, 2\); use that of x, \(2, 3\), or of one row, \(3,\)",
     lambda m: m.complete(X, np.ones((2, 2), bool))),
    ("mask holds other values than True and False", lambda m: m.complete(X, X)),
    ("mask is a str", lambda m: m.complete(X, "left")),
    ("steps = 2.5 is not possible", lambda m: m.complete(X, X > 0, steps=2.5)),
    ("step_size = -0.1 is too small", lambda m: m.complete(X, X > 0, step_size=-0.1)),
    ("n = 300.5 is not possible", lambda m: m.control_shift(ClassIs(1), 300.5)),
]  # fmt: skip


@pytest.mark.parametrize(("words", "call"), REFUSED, ids=[words for words, _ in REFUSED])
def test_what_cannot_be_asked_of_a_model(
    words: str, call: Callable[[LatentEBM], Any], model: LatentEBM
) -> None:
    with pytest.raises(UsageError, match=words):
        call(model)


def test_a_context_is_converted_and_of_the_right_shape(conditioned: LatentEBM) -> None:
    expected = conditioned.sample(2, context=CONTEXT, generator=seeded())
    for context in (CONTEXT.double().numpy(), CONTEXT.tolist(), CONTEXT.half(), CONTEXT.long()):
        assert torch.equal(conditioned.sample(2, context=context, generator=seeded()), expected)
    q = conditioned.posterior(X, context=CONTEXT.tolist(), generator=seeded())
    assert torch.equal(q, conditioned.posterior(X, context=CONTEXT, generator=seeded()))
    for context, words in [
        (None, r"conditioned on a context of 2 features: pass context=\(B, 2\)"),
        (X, r"context has the shape \(2, 3\); use \(2, 2\)"),
        (CONTEXT[0], r"context has the shape \(2,\); use"),
        (CONTEXT[:1], r"context has the shape \(1, 2\); use \(2, 2\), as many rows"),
        ("left", "context is a str"),
    ]:
        with pytest.raises(UsageError, match=words):
            conditioned.sample(2, context=context)
        with pytest.raises(UsageError, match=words.split("; use")[0]):
            conditioned.score(X, context=context)


def test_token_ids_are_whole_and_in_the_vocabulary(tokens: LatentEBM) -> None:
    x = torch.tensor([[4, 5, 2, 0], [3, 2, 0, 0]])
    for method in (tokens.code, lambda each: tokens.score(each).total):
        for other in (x.numpy(), x.tolist(), x.int(), x.double().numpy()):
            assert torch.equal(method(other), method(x))
        for wrong, words in [
            (x[0], r"x has the shape \(4,\); use \(B, T\)"),
            (x[:0], r"x has the shape \(0, 4\)"),
            (x + 6, "x holds 10; use ids, integers from 0 to 8"),
            (x - 1, "x holds -1; use ids"),
            (x + 0.5, "x holds 4.5; use ids"),
            (["a sentence"], "x is a list of str"),
        ]:
            with pytest.raises(UsageError, match=words):
                method(wrong)
    with pytest.raises(UsageError, match='no option "temperatur".*Did you mean "temperature"'):
        tokens.sample(2, temperatur=0.8)
    with pytest.raises(UsageError, match="samples would need 24,000 GB"):
        tokens.sample(MANY)
    with pytest.raises(UsageError, match="the known tokens of each must be its first"):
        tokens.complete(x, x < 0)


PRIORS = [
    GaussianPrior(2),
    EBMPrior(2, energy={"hidden": (8,)}, sampler=SHORT),
    CoupledPrior(2, 3, energy={"hidden": (8,)}, sampler=SHORT),
    MixturePrior(2, 3),
]


@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: type(prior).__name__)
def test_priors_convert_and_refuse_as_a_model_does(prior: Any) -> None:
    z = torch.tensor([[1.0, 0.0], [-1.0, 2.0]])
    expected = prior.log_prob(z)
    for other in (z.numpy().astype(float), z.tolist(), z.half(), z.long()):
        assert torch.equal(prior.log_prob(other), expected)
    assert len(prior.sample(np.int64(2))) == 2
    for call, words in [
        (lambda: prior.sample(1.5), "n = 1.5 is not possible"),
        (lambda: prior.sample(-1), "n = -1 is too small; use at least 0"),
        (lambda: prior.sample(MANY), "draws of the prior would need 8,000 GB"),
        (lambda: prior.sample(2, context="left"), "context is a str"),
        (lambda: prior.log_prob(X), r"z has the shape \(2, 3\); use \(B, 2\)"),
        (lambda: prior.log_prob(z[0]), r"z has the shape \(2,\); use \(B, 2\): one row"),
        (lambda: log_z(prior, n_samples=0), "n_samples = 0"),
        (lambda: log_z(prior, n_samples=2.5), "n_samples = 2.5"),
        (lambda: log_z(prior, n_samples=MANY), "n_samples = 1000000000000 is too large"),
        (lambda: energy_profile(prior, 0), "n = 0"),
    ]:
        with pytest.raises(UsageError, match=words):
            call()


def test_classes_of_a_prior_are_ids() -> None:
    prior = PRIORS[2]
    draws = [prior.sample(2, y=y, generator=seeded()) for y in ([0, 2], np.array([0, 2]))]
    assert torch.equal(*draws)
    for y, words in [
        (1.0, "y is of float"),
        ([0, 1, 2], r"shape \(3,\)"),
        ("red", 'y = "red" is no class'),
        (3, "from 0 to 2, not 3"),
    ]:
        with pytest.raises(UsageError, match=words):
            prior.sample(2, y=y)


BOUNDS: list[tuple[str, Callable[[], Any]]] = [
    ("prior.latent_dim = -4", lambda: EBMPrior(-4)),
    ("GaussianPrior: latent_dim = 2.5", lambda: GaussianPrior(2.5)),  # type: ignore[arg-type]
    ("prior.latent_dim = 1000000000000 is too large", lambda: GaussianPrior(MANY)),
    ("prior.bound = 1e-300", lambda: EBMPrior(2, bound=1e-300)),
    ("prior.bound = -5", lambda: EBMPrior(2, bound=-5)),
    ("EBMPrior: bound = nan", lambda: EBMPrior(2, bound=float("nan"))),
    ("step_size = -0.1", lambda: EBMPrior(2, sampler={"step_size": -0.1})),
    ("steps = -1", lambda: EBMPrior(2, sampler={"steps": -1})),
    (r"energy.hidden = \[0\]", lambda: EBMPrior(2, energy={"hidden": [0]})),
    (
        "would need 4,000 GB of memory|1,000,000",
        lambda: EBMPrior(2, energy={"hidden": [10**6] * 2}),
    ),
    ("decoder.layers = 1000000000000", lambda: SequenceDecoder(2, 9, layers=MANY)),
    ("encoder.hidden = 0", lambda: SequenceEncoder(2, 9, hidden=0)),
    ("encoder.dropout = inf", lambda: SequenceEncoder(2, 9, dropout=float("inf"))),
    (r"encoder.hidden = \[1000000000000\]", lambda: TabularEncoder(2, 3, (MANY,))),
]


@pytest.mark.parametrize(("words", "make"), BOUNDS, ids=[words for words, _ in BOUNDS])
def test_parts_refuse_options_that_cannot_be_when_they_are_made(
    words: str, make: Callable[[], Any]
) -> None:
    with pytest.raises(UsageError, match=words):
        make()


def test_a_chain_of_ones_own_takes_arrays_and_refuses_what_is_none() -> None:
    def log_prob(z: Tensor) -> Tensor:
        return -0.5 * z.square().sum(-1)

    def run(z: Any, **options: Any) -> Tensor:
        return langevin(log_prob, z, **{"steps": 3, "step_size": 0.1, **options})

    expected = run(X, generator=seeded())
    for z in (X.tolist(), X.numpy(), X.half(), X.long()):
        assert torch.equal(run(z, generator=seeded()), expected)
    assert run(X.double()).dtype == torch.float64
    with torch.inference_mode():
        assert torch.equal(run(X.clone(), generator=seeded(), adjust=True).isfinite(), X == X)
    for options, words in [
        ({"steps": 1.5}, "steps = 1.5"),
        ({"steps": -1}, "steps = -1"),
        ({"step_size": float("nan")}, "step_size = nan"),
        ({"noise": -1.0}, "noise = -1.0"),
        ({"z": X[0]}, r"z has the shape \(3,\)"),
        ({"z": "left"}, "z is a str"),
    ]:
        with pytest.raises(UsageError, match=words):
            run(**{"z": X, **options})
