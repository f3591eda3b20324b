"""Damaged files and every reader: the answer is a sane value or one sentence, in time.

A failure names the seed: `mutate(GOOD, random.Random(f"{reader}-{seed}"), file)` is the file. What
is read, and by whom, is in fuzz/readers_*.py.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import readers_images
import readers_molecules
import readers_recipes
import readers_tabular
import readers_text
import readers_trajectories
from damage import limited, one_sentence
from mutations import mutate, overrides
from reader import DataSet, placed
from readers_recipes import KEYS, LINE

from lebm_core.data.needs import declared
from lebm_core.errors import LebmError
from lebm_core.registry.registry import registry
from lebm_core.registry.signatures import options_of

EACH = 25  # mutations of a test
READERS = {
    **readers_tabular.READERS,
    **readers_text.READERS,
    **readers_molecules.READERS,
    **readers_images.READERS,
    **readers_trajectories.READERS,
    **readers_recipes.READERS,
}
UNNAMED = tuple(readers_recipes.READERS)  # whose messages name the key
TESTS = [(name, i * EACH) for name, reader in READERS.items() for i in range(reader.tests)]


@pytest.fixture(autouse=True, scope="module")
def cache_of_the_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder of its own for what `datasets` keeps of each file that it reads."""
    with pytest.MonkeyPatch.context() as patch:
        folder = str(tmp_path_factory.mktemp("hub"))
        patch.setattr("datasets.config.HF_DATASETS_CACHE", folder)
        yield


def damaged(name: str, seed: int, folder: Path) -> str:
    """Write the example of a reader with one file damaged, whose name is the answer."""
    reader = READERS[name]
    rng = random.Random(f"{name}-{seed}")
    files = dict(reader.example)
    chosen = rng.choice(list(files)) if reader.every else next(iter(files))
    if chosen == LINE:
        files[LINE] = overrides(KEYS, rng).encode()
    else:
        files[chosen] = mutate(files[chosen], rng, chosen)
    placed(files, folder)
    return chosen


def may_be_named(name: str, file: str, folder: Path) -> list[str]:
    """The file that is damaged; where several must agree, any of them; or the source."""
    reader = READERS[name]
    if name in UNNAMED:
        return []
    names = [Path(each).name for each in (reader.example if reader.every else [file])]
    own = reader.read.file if isinstance(reader.read, DataSet) else "my"
    return [*names, str(folder / own)] if own else names


def test_every_data_set_that_reads_files_is_here() -> None:
    """Those that declare files or take `data.source`, in each of the forms that they declare."""
    read: dict[str, set[str]] = {}
    for reader in READERS.values():
        if isinstance(reader.read, DataSet):
            read.setdefault(reader.read.name, set()).update(reader.example)
    for dataset in registry().names("datasets"):
        needs = declared(dataset, registry().find("datasets", dataset).target)
        if needs is None and "source" not in options_of("datasets", dataset):
            continue
        assert dataset in read, f"{dataset} reads files: put an example in fuzz/readers_*.py"
        endings = {Path(file).suffix for file in read[dataset]}
        for forms in needs.wanted() if needs is not None else ():
            assert {Path(form).suffix for form in forms} <= endings, f"{dataset}: {forms}"


@pytest.mark.parametrize("name", READERS)
def test_the_example_itself_is_read(tmp_path: Path, name: str) -> None:
    placed(READERS[name].example, tmp_path)
    READERS[name].read(tmp_path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "first"), TESTS, ids=[f"{n}-{i}" for n, i in TESTS])
def test_a_damaged_file_is_read_or_named(tmp_path: Path, name: str, first: int) -> None:
    failures = []
    for seed in range(first, first + EACH):
        folder = tmp_path / str(seed)
        file = damaged(name, seed, folder)
        try:
            with limited():
                READERS[name].read(folder)
        except LebmError as error:
            try:
                one_sentence(str(error), folder, *may_be_named(name, file, folder))
            except AssertionError as wrong:
                failures.append(f"{name}-{seed}: {wrong}")
        except Exception as error:  # whatever else is what this test looks for
            what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            failures.append(f"{name}-{seed}: {what}")
    assert not failures, "\n" + "\n".join(each[:400] for each in failures)
