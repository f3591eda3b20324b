"""Splits by what examples are."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from lebm_core.data.splits import GroupCut, by_hash, hash_key, homes_by_hash
from lebm_core.errors import UsageError


def homes_by_group(
    groups: list[str], valid_share: float, test_share: float, source: str, what: str
) -> list[str]:
    hashes = [hash_key(group) for group in groups]
    cut = GroupCut(b"".join(hashes), valid_share, test_share, source, what)
    return [cut.home(each) for each in hashes]


def test_equal_keys_share_a_split_whatever_the_order() -> None:
    keys = [f"k{i % 150}" for i in range(200)]
    homes = homes_by_hash(keys, 0.1, 0.2, "here", "key")
    home = dict(zip(keys, homes, strict=True))
    assert [home[key] for key in keys] == homes
    assert Counter(home.values()) == {"train": 105, "valid": 15, "test": 30}
    assert homes_by_hash(keys[::-1], 0.1, 0.2, "here", "key") == homes[::-1]


def test_groups_stay_whole_and_splits_have_their_share_of_examples() -> None:
    small = [f"g{i // 3}" for i in range(700)]
    groups = [by_hash(small)[0]] * 300 + small  # the first to be given a split
    homes = homes_by_group(groups, 0.1, 0.2, "here", "group")
    assert len(set(zip(groups, homes, strict=True))) == len(set(groups))
    sizes = Counter(homes)
    assert abs(sizes["test"] - 200) <= 3 and abs(sizes["valid"] - 100) <= 3
    assert homes[0] == "train"  # larger than any room
    assert homes_by_group(groups[::-1], 0.1, 0.2, "here", "group") == homes[::-1]


@pytest.mark.parametrize("split", [homes_by_hash, homes_by_group])
def test_what_cannot_be_split_says_so(split: object) -> None:
    assert callable(split)
    with pytest.raises(UsageError, match=r"here has 2 distinct rings: too few"):
        split(["a", "b", "b"], 0.1, 0.1, "here", "ring")
    with pytest.raises(UsageError, match=r"data.valid_share = 0 and"):
        split(["a", "b"], 0, 0.1, "here", "ring")


def test_no_plugin_imports_another() -> None:
    plugins = Path(__file__).parents[3] / "plugins"
    names = sorted(folder.name for folder in plugins.glob("lebm_*"))
    assert len(names) >= 5
    for name in names:
        others = "|".join(other for other in names if other != name)
        for file in (plugins / name).rglob("*.py"):
            found = re.search(rf"^ *(?:from|import) (?:{others})\b.*", file.read_text(), re.M)
            assert found is None, f"{file}: {found and found[0]}"
