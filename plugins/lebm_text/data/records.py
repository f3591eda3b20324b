"""Files of named columns: delimited tables with a header, and JSON objects. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lebm_core.data.files import open_lines, open_rows
from lebm_core.data.parsing import parse_json
from lebm_core.errors import UsageError, did_you_mean, shown

__all__ = ["column", "json_lines", "kind_of", "pick", "records"]

SEPARATED = {".csv": ",", ".tsv": "\t"}
OBJECTS = (".json", ".jsonl", ".ndjson")


def kind_of(path: Path) -> str:
    """Return the ending by which a file has named columns, such as ".csv"; "" for any other.

    >>> kind_of(Path("my.CSV.gz")), kind_of(Path("my.txt"))
    ('.csv', '')
    """
    name = path.stem if path.suffix.lower() == ".gz" else path.name
    ending = Path(name).suffix.lower()
    return ending if ending in SEPARATED or ending in OBJECTS else ""


def column(path: Path, field: str) -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each record, of the column `field`.

    Raises:
        UsageError: where the file has no named columns or not this one, or a value is no text.
    """
    for where, record in records(path, {"data.field": field}):
        yield where, pick(record, field, where)


def pick(record: dict[str, Any], field: str, where: str) -> str:
    """Return the text in a column of a record; refuse what is none."""
    value = record[field]
    if not isinstance(value, str):
        raise UsageError(f"{where} has {shown(json.dumps(value))} as {shown(field)}, and no text.")
    try:
        value.encode()
    except UnicodeEncodeError:  # JSON may hold half of a pair of code units
        raise UsageError(f"{where} has half a character in {shown(field)}.") from None
    return value


def records(path: Path, wanted: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place of each record, and its values by column.

    A table has its columns' names in its first line. JSON is an object a line, or a list of them.

    Args:
        path: a file whose name says which of these it is, plain or gzipped.
        wanted: the columns that each record must have, by the option that names them.

    Raises:
        UsageError: naming file and line of what cannot be read.
    """
    kind = kind_of(path)
    if kind in SEPARATED:
        return _table(path, SEPARATED[kind], wanted)
    if kind:
        return _objects(path, wanted)
    options = " and ".join(wanted)
    raise UsageError(
        f"{options} name{'s' * (len(wanted) == 1)} a column, and {path} has none: a file in "
        f"{', '.join((*SEPARATED, *OBJECTS))} has."
    )


def _table(
    path: Path, delimiter: str, wanted: dict[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    header: list[str] = []
    for number, cells in open_rows(path, delimiter):
        where = f"{path}, line {number},"
        if not header:
            header = [cell.strip() for cell in cells]
            _check_columns(header, wanted, where)
        elif len(cells) != len(header):
            raise UsageError(f"{where} has {len(cells)} cells, the header {len(header)} columns.")
        else:
            yield where, dict(zip(header, cells, strict=True))


def _objects(path: Path, wanted: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    lines = open_lines(path)
    listed: list[str] = []
    for number, line in lines:
        if line.lstrip().startswith("[") and not listed:
            listed = [line, *(rest for _, rest in lines)]
            break
        if line.strip():
            where = f"{path}, line {number},"
            yield where, _checked(parse_json(line, where), wanted, where)
    if not listed:
        return
    items = parse_json("\n".join(listed), f"{path}")
    for number, item in enumerate(items, 1):
        where = f"{path}, item {number},"
        yield where, _checked(item, wanted, where)


def _checked(item: Any, wanted: dict[str, str], where: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise UsageError(f"{where} is not a JSON object.")
    _check_columns(list(item), wanted, where)
    return item


def _check_columns(names: Sequence[str], wanted: dict[str, str], where: str) -> None:
    for option, name in wanted.items():
        if list(names).count(name) != 1:
            count = "two columns" if name in names else "no column"
            raise UsageError(
                f"{where} has {count} {shown(name)} for {option}: its columns are "
                f"{shown(', '.join(names), 300)}.{did_you_mean(name, names)}"
            )


def json_lines(path: Path, keys: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place and the object of each line of a file of JSON objects that have `keys`.

    Raises:
        UsageError: naming file and line, for anything else.
    """
    for number, line in open_lines(path):
        if not line.strip():
            continue
        where = f"{path}, line {number},"
        item = parse_json(line, where)
        if not isinstance(item, dict) or any(key not in item for key in keys):
            every = f"{', '.join(keys[:-1])} and {keys[-1]}"
            raise UsageError(f"{where} is not a JSON object with {every}.")
        yield where, item
