"""The classes of labelled sentences, and the id of each label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lebm_core.data.classes import check_classes, label_names, sorted_names
from lebm_core.data.dataset import SPLITS
from lebm_core.errors import UsageError, did_you_mean, shown

__all__ = ["ids_of_labels"]


def ids_of_labels(
    written: Mapping[str, Sequence[str]], source: str, place: Callable[[str, int], str]
) -> tuple[dict[str, list[int]], list[str]]:
    """Find the classes of the training labels, and the class id of each label, -1 where unknown.

    Args:
        written: the labels by split.
        source: the name of the data in messages.
        place: of a row of a split, for messages.

    Raises:
        UsageError: as `corpus_of`.
    """
    distinct = list(dict.fromkeys(label for split in SPLITS for label in written[split]))
    # All at once: whether all are numbers is not for a split to say.
    named = dict(zip(distinct, label_names(distinct), strict=True))
    known = [named[label] for label in written["train"]]
    classes = sorted_names(known)
    check_classes(classes, known, f"The training split of {source}")
    ids = {label: i for i, label in enumerate(classes)} | {"": -1}
    for split in SPLITS:
        for row, label in enumerate(written[split]):
            if named[label] not in ids:
                raise UsageError(
                    f"{place(split, row)} has the label {shown(named[label])}, which no training "
                    f"sentence has: known are {shown(', '.join(classes), 300)}."
                    f"{did_you_mean(named[label], classes)}"
                )
    return {s: [ids[named[label]] for label in written[s]] for s in SPLITS}, classes
