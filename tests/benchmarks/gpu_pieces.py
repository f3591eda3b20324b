"""The pieces of gpu_queue.py, in order of worth."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["QUEUE", "Piece"]


@dataclass
class Piece:
    """One thing to run.

    Attributes:
        name: of its files.
        recipe: that it trains; "" for a program.
        preset: of the recipe.
        program: arguments of Python, for a piece that is no recipe.
        dry: these in their place with --dry.
        options: KEY=VALUE of a recipe.
    """

    name: str
    recipe: str = ""
    preset: str = "paper"
    program: list[str] = field(default_factory=list)
    dry: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)


SPEED = ["tests/benchmarks/speed.py", "--threads", "8"]
TESTS = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/lebm_core/chains/test_captured.py"]
QUEUE = [
    Piece("captured-chains", program=TESTS, dry=TESTS),
    Piece("cuda-tests", program=[*TESTS[:-1], "tests/lebm_core/test_cuda.py"], dry=TESTS),
    Piece(
        "speed", program=[*SPEED, "--device", "cuda"],
        dry=["tests/benchmarks/speed.py", "--threads", "1", "--device", "cpu", "--only", "prior"],
    ),
    Piece("image-mnist", "image-mnist"),
    Piece("image-cifar10", "image-cifar10"),
    Piece("anomaly-mnist", "anomaly-mnist"),
    Piece("molecule-zinc", "molecule-zinc"),
    Piece("text-ptb", "text-ptb"),
    Piece("semi-cifar10", "semi-cifar10", "cpu"),
    Piece("ebm-mnist", "ebm-mnist"),
    Piece("ebm-cifar10", "ebm-cifar10"),
    Piece("coop-digits", "coop-digits", "cpu"),
    Piece("abp-faces", "abp-faces", "cpu"),
]  # fmt: skip
