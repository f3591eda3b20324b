"""What the tabs share: how an event is run, stopped and told of when it fails."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from lebm_app import html
from lebm_core.errors import LebmError

__all__ = ["asked", "seed_of", "told"]

ONE = "model"  # at a time: a model is no thing to share
ENGAGED = "The page draws for one request at a time; this one waits."


def told(outputs: int, ask: Callable[..., Iterator[tuple[Any, ...]]]) -> Callable[..., Any]:
    """A generator for the page: what goes wrong is one sentence in the place of the answer.

    Args:
        outputs: how many the event has, the first being the answer.
        ask: yields all of them, again and again.
    """

    @functools.wraps(ask)
    def answer(*given: Any) -> Iterator[Any]:
        try:
            for each in ask(*given):
                yield each if outputs > 1 else each[0]
            return
        except LebmError as error:
            sentence = str(error)
        except MemoryError:
            sentence = "Out of memory: ask for fewer at once."
        except Exception as error:
            sentence = f"Unexpected error: {type(error).__name__}: {error}"
        rest = [gr.skip() for _ in range(outputs - 1)]
        yield (html.error(sentence), *rest) if rest else html.error(sentence)

    return answer


def asked(
    trigger: Any,
    ask: Callable[..., Iterator[tuple[Any, ...]]],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    stop: Any = None,
) -> Any:
    """Run `ask` on an event such as a button's click.

    Args:
        trigger: the event.
        ask: yields the outputs.
        inputs: components.
        outputs: components, the first of which takes errors.
        stop: a button that ends it.
    """
    event = trigger(
        told(len(outputs), ask), list(inputs), list(outputs), concurrency_id=ONE,
        concurrency_limit=1, show_progress="minimal", api_visibility="private",
    )  # fmt: skip
    if stop is not None:
        stop.click(None, cancels=[event], api_visibility="private")
    return event


def seed_of(value: Any) -> int:
    """A seed that was entered; an empty field is 0."""
    return max(0, int(value or 0)) % 2**31
