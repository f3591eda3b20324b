"""The options of prior, inference and learning: what a recipe may set. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

__all__ = ["InferenceOptions", "LearningOptions", "PriorOptions", "help_of"]


def _opt(default: Any, help: str, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field with its one-line explanation, shown by `lebm recipe NAME --show`.

    Args:
        default: the default.
        help: the explanation.
        choices: the values that are accepted, where they are few.
    """
    metadata: dict[str, Any] = {"help": help} | ({"choices": choices} if choices else {})
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def help_of(options: type, name: str) -> str:
    """The explanation of the field `name` of an options dataclass, '' where it has none."""
    found = {each.name: str(each.metadata.get("help", "")) for each in fields(options)}
    return found.get(name, "")


@dataclass
class PriorOptions:
    """p(z) proportional to exp(f(z)) p0(z)."""

    kind: str = _opt(
        "ebm",
        "gaussian (f = 0), ebm, coupled (class logits), mixture or second-stage (fitted to codes)",
        ("gaussian", "ebm", "coupled", "mixture", "second-stage"),
    )
    latent_dim: int = _opt(32, "dimension of z; 0 is the plain model without z")
    hidden: list[int] = _opt([200, 200], "widths of the hidden layers of f")
    activation: str = _opt(
        "gelu",
        "gelu, leaky_relu, silu or tanh",
        ("gelu", "leaky_relu", "silu", "tanh"),
    )
    reference: str = _opt(
        "gaussian",
        "p0: gaussian, or uniform on [-std, std] in each dimension",
        ("gaussian", "uniform"),
    )
    reference_std: float = _opt(1.0, "standard deviation of p0 (half width of the uniform p0)")
    bound: float | None = _opt(10.0, "C of the bounded tilt f = C tanh(f/C), in nats; 0 for none")
    stages: int = _opt(1, "tilts learned one after another by density ratio; f is their sum")
    steps: int = _opt(60, "Langevin steps of a prior chain")
    step_size: float = _opt(0.4, "s in z <- z + s^2/2 grad log p + s noise eps")
    noise: float = _opt(1.0, "tau, the factor of the noise; 1 is Langevin's own")
    adjust: bool = _opt(
        False, "accept or reject each step (Metropolis), so that the chain is exact"
    )
    n_classes: int = _opt(0, "number of classes, coupled prior only")
    components: int = _opt(10, "number of components, mixture prior only")
    context_dim: int = _opt(0, "features of the context that f sees; 0 for none")


@dataclass
class InferenceOptions:
    """How z given x is drawn."""

    kind: str = _opt(
        "amortized",
        "short-run, persistent, amortized (encoder), amortized-refined (encoder, then chains)",
        ("short-run", "persistent", "amortized", "amortized-refined"),
    )
    steps: int = _opt(20, "Langevin steps of a posterior chain (not for amortized)")
    step_size: float = _opt(0.1, "s of a posterior chain")
    noise: float = _opt(1.0, "tau of a posterior chain")
    init: str = _opt(
        "reference",
        "where chains start: reference, or data (codes of earlier batches)",
        ("reference", "data"),
    )


@dataclass
class LearningOptions:
    """How the decoder learns, and how the tilt learns."""

    decoder: str = _opt(
        "variational",
        "mcmc (Algorithm 1), variational (encoder), autoencoder (RAE, no sampling)",
        ("mcmc", "variational", "autoencoder"),
    )
    tilt: str = _opt(
        "density-ratio",
        "density-ratio, short-run, persistent; none: a coupled prior only classifies codes",
        ("density-ratio", "short-run", "persistent", "none"),
    )
    kl_weight: float = _opt(
        1.0, "weight of KL(q(z|x) || p0) - E_q f in the variational rule, after any warm-up"
    )
    kl_cycles: int = _opt(
        1, "cycles of the KL weight over the whole training; 0 for a constant weight"
    )
    kl_zero: float = _opt(0.0, "share of a cycle with weight 0")
    kl_rise: float = _opt(0.25, "share of a cycle in which the weight rises to kl_weight")
    free_bits: float = _opt(0.0, "nats per dimension of KL to p0 (batch mean) that cost nothing")
    encoder_tilt: float = _opt(
        1.0, "weight of f in the encoder's objective; 0 leaves the encoder to p0 alone"
    )
    mutual_information: float = _opt(
        0.0, "weight of I(z; y) for a coupled prior (information bottleneck)"
    )
    class_start: int = _opt(
        0,
        "clusters of the codes that classes begin as where the KL weight begins to rise, for a "
        "coupled prior without labels; 0: classes begin at random",
    )
    label_weight: float = _opt(
        1.0, "weight of log p(y|x) where labels are known and the prior is coupled"
    )
    labels: int = _opt(
        0, "training examples that keep their label, as many of each class (coupled prior); 0: all"
    )
    labelled_batch: int = _opt(
        64, "labelled examples of a step, beside the batch, where learning.labels is not 0"
    )
    smoothness: float = _opt(
        0.0, "weight of virtual adversarial smoothness of p(y|x), coupled prior with an encoder"
    )
    smoothness_radius: float = _opt(
        0.15,
        "how far p(y|x) is to be smooth: root mean square of the change of x, in its units; "
        "of text the length of the change over that of an average word's embedding",
    )
    consistency: float = _opt(
        0.0, "weight of p(y|x) being the same with part of x hidden, coupled prior with an encoder"
    )
    consistency_hidden: float = _opt(
        0.5,
        "share of x that is hidden, set to 0: words of a text, of an image a square of at most "
        "that, else entries",
    )
    code_penalty: float = _opt(1e-2, "L2 of the codes, autoencoder rule only")
    energy_l2: float = _opt(0.0, "L2 penalty of f on posterior and prior samples")
    reference_samples: int = _opt(4, "reference samples per code, density-ratio only")
    chain_init: str = _opt(
        "reference",
        "where short-run prior chains start: reference, or data (posterior codes)",
        ("reference", "data"),
    )
    chain_steps: int = _opt(
        0, "steps of the prior chains that the tilt learns from; 0 for prior.steps"
    )
    code_pool: int = _opt(
        1024, "recent codes that the density ratio learns from beside the batch's own"
    )
    tilt_start: float = _opt(
        0.0, "share of the training before the tilt starts to learn; 1: only finish_steps teach it"
    )
    persistent_chains: int = _opt(1000, "chains kept, persistent only")
    restart: float = _opt(0.05, "share of persistent chains restarted from p0 at each update")
    properties: list[str] = _opt(
        [], "properties of the examples that heads are learned for after training, to sample by"
    )
    finish_steps: int = _opt(
        0, "updates of the tilt alone after training, on codes that no longer move"
    )
    finish_anew: bool = _opt(False, "they begin from fresh weights, not from the training's tilt")
    finish_tilt: str = _opt(
        "persistent",
        "how it learns then: density-ratio, short-run, persistent",
        ("density-ratio", "short-run", "persistent"),
    )
    finish_classes: str = _opt(
        "likeliest",
        "the class of an example then, coupled prior: likeliest (samples of a class are surer of "
        "it), soft, p(y|x) (the prior's own p(y|z) stays calibrated), or clusters: classes without "
        "labels are taken anew from class_start clusters of the codes",
        ("likeliest", "soft", "clusters"),
    )
    finish_lr: float = _opt(5e-4, "learning rate then, falling to 0 as a cosine")
    finish_batch: int = _opt(400, "codes of an update then")
    finish_chain_steps: int = _opt(20, "steps of its chains then; 0 for prior.steps")
    drift_limit: float = _opt(
        5.0, "warn when f(posterior) - f(chain) exceeds this many nats; stop at ten times it"
    )
