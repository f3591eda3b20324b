"""The process that works on molecules for `lebm_molecules.chemistry.limited`.

RDKit cannot be interrupted from Python: where a molecule takes too long, the kernel ends this
process. It ends by itself as soon as nobody holds its input open.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from typing import Any

__all__ = ["serve"]


def serve() -> None:
    """Answer requests (function, items, seconds, easy) as `limited` takes them, with lists."""
    begun: set[str] = set()
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who asks
    while True:
        try:
            function, items, seconds, easy = pickle.load(requests)
            answer: Any = []
            if (
                easy is not None
                and (name := repr(getattr(function, "func", function))) not in begun
            ):
                begun.add(name)
                function(easy)
            for item in items:
                _allow(seconds)
                answer.append(function(item))
        except EOFError:
            return
        except Exception as error:  # for the one who asks
            answer = error
        _allow(0)
        try:
            pickle.dump(answer, answers)
            answers.flush()
        except BrokenPipeError:
            return


def _allow(seconds: float) -> None:
    """End this process after so many seconds of a processor from now; 0 for no end."""
    if hasattr(signal, "setitimer"):  # Windows has none
        signal.setitimer(signal.ITIMER_PROF, seconds)
