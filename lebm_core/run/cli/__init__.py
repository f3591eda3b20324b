"""The command `lebm`: it runs a command and turns errors into one message and an exit code."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress

from lebm_core.errors import LebmError, MissingData, shown, warning_line
from lebm_core.run.cli.root import app
from lebm_core.run.process.signals import signal_of, stoppable

__all__ = ["app", "main"]

WORD, MESSAGE = 300, 600  # characters that are shown of a word, of each end of a message


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: in place of those of the process.

    Returns:
        The exit code: 0, 1 for a failure, 2 for wrong usage, 128 + N when signal N ended it.
    """
    plain, warnings.formatwarning = warnings.formatwarning, warning_line
    try:
        given = None if arguments is None else list(arguments)
        with stoppable() as came:
            code = app(given, prog_name="lebm", standalone_mode=False)
        sys.stdout.flush()
        if code == 130:  # typer's answer to a KeyboardInterrupt, whichever signal it was
            return _fail("Interrupted.", 128 + came[0] if came else 130)
        return code if isinstance(code, int) else 0
    except KeyboardInterrupt as error:
        return _fail("Interrupted.", 128 + signal_of(error))
    except BrokenPipeError:
        # The reader has gone; Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MissingData as error:
        from lebm_core.run.cli.inventory import advice

        return _fail(advice(error), error.exit_code, error)
    except LebmError as error:
        return _fail(str(error), error.exit_code, error)
    except Exception as error:
        message = getattr(error, "format_message", None)
        if message is not None:  # typer's own errors: an unknown option, a missing argument
            return _fail(str(message()), int(getattr(error, "exit_code", 2)), error)
        if isinstance(error, MemoryError):
            return _fail("Out of memory: a smaller data.batch_size may do.", 1, error)
        if isinstance(error, OSError):  # a name too long, a disk that is full, no permission
            of = f"{shown(error.filename)}: " if error.filename is not None else ""
            return _fail(f"{of}{error.strerror or error}.", 1, error)
        what = f"{type(error).__name__}: {error}"
        return _fail(f"Unexpected error: {what} (LEBM_DEBUG=1 shows where).", 1, error)
    finally:
        warnings.formatwarning = plain


def _fail(reason: str, code: int, error: BaseException | None = None) -> int:
    if error is not None and os.environ.get("LEBM_DEBUG"):
        import traceback

        traceback.print_exception(error)
    if reason.strip():
        with suppress(OSError):  # a terminal that is closed
            print(f"lebm: {_short(reason)}", file=sys.stderr)
    return code


def _short(reason: str) -> str:
    """The message on one line without control characters, cut where it repeats what is long."""
    line = " ".join(reason.split())
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
    line = re.sub(rf"\S{{{WORD},}}", lambda found: f"{found[0][:WORD]}...", line)
    if len(line) <= 2 * MESSAGE:
        return line
    return f"{line[:MESSAGE]} [...] {line[-MESSAGE:]}"
