"""Errors caused by user input: one-line messages with exit codes."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "DivergenceError",
    "Interrupted",
    "LebmError",
    "MissingData",
    "MissingExtra",
    "MissingSize",
    "RunError",
    "UnsupportedEstimate",
    "UsageError",
    "did_you_mean",
    "shown",
    "warning_line",
]


class LebmError(Exception):
    """An error to be shown as it is, without a traceback.

    Attributes:
        exit_code: what the command line exits with.
    """

    exit_code = 1


class UsageError(LebmError):
    """What was asked for does not exist or cannot be read: a name, a key, a value, a file."""

    exit_code = 2


class MissingExtra(UsageError):
    """A part of lebm needs a package that is not installed."""

    def __init__(self, package: str, extra: str = "", needed_by: str = "") -> None:
        """Names the package and how to install it.

        Args:
            package: the package that could not be imported.
            extra: the extra that brings it, "fcd" or "lebm-mine[gpu]"; without one, the package
                itself is to be installed.
            needed_by: what asked for it, for instance 'decoders "mine.net"'.
        """
        install = package
        if extra:
            install = f'"{extra}"' if "[" in extra else f'"lebm[{extra}]"'
        subject = needed_by or "This"
        super().__init__(
            f"{subject} needs the package {package}, which is not installed: pip install {install}."
        )
        self.package = package
        self.extra = extra
        self.needed_by = needed_by

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str, str]]:
        """Errors come back from workers pickled; by default only the message would."""
        return type(self), (self.package, self.extra, self.needed_by)


class MissingSize(UsageError):
    """A part needs a size that neither its table nor the data gives."""


class MissingData(UsageError):
    """A data set's files are in none of the places in which they are looked for."""

    def __init__(self, dataset: str, message: str) -> None:
        """Keep the name beside the message.

        Args:
            dataset: registered name, by which the command line finds a recipe without a download.
            message: the message.
        """
        super().__init__(message)
        self.dataset = dataset

    def __reduce__(self) -> tuple[type[MissingData], tuple[str, str]]:
        return type(self), (self.dataset, str(self))


class RunError(LebmError):
    """A run that was rightly asked for has failed."""


class DivergenceError(RunError):
    """A chain or a training has blown up."""


class UnsupportedEstimate(RunError):
    """An estimate that its own diagnostics do not support."""


class Interrupted(LebmError):
    """A signal stopped the run, Ctrl-C or a scheduler's, and what it had was saved."""

    def __init__(self, message: str, signal: int = 2) -> None:
        """Exit as shells say that a signal ended a program.

        Args:
            message: the message.
            signal: its number; 2 is SIGINT, Ctrl-C.
        """
        super().__init__(message)
        self.exit_code = 128 + signal

    def __reduce__(self) -> tuple[type[Interrupted], tuple[str, int]]:
        return type(self), (str(self), self.exit_code - 128)


def did_you_mean(word: str, accepted: Iterable[str]) -> str:
    """'' or ' Did you mean "x"?', x being the accepted word that is nearest.

    >>> did_you_mean("semi-digts", ["semi-digits", "semi-mnist"])
    ' Did you mean "semi-digits"?'
    >>> did_you_mean("zebra", ["semi-digits"])
    ''
    """
    import difflib  # only when something went wrong: the command line starts without it

    by_lower = {name.lower(): name for name in accepted}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f' Did you mean "{by_lower[near[0]]}"?' if near else ""


def shown(value: object, most: int = 80) -> str:
    """A user's own value for a message: in quotes, on one line, cut where it is long.

    >>> shown("a\\nb"), shown("x" * 100, most=5)
    ('"a\\\\nb"', '"xxxxx..." (100 characters)')
    """
    string = str(value)
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in string[: most + 1])
    if len(string) <= most:
        return f'"{line}"'
    return f'"{line[:most]}..." ({len(string):,} characters)'


def warning_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """A warning as the command line shows it, in place of `warnings.formatwarning`.

    >>> warning_line("2 rows are left out.", UserWarning, "file.py", 3)
    'lebm: 2 rows are left out.\\n'
    """
    return f"lebm: {' '.join(str(message).split())}\n"
