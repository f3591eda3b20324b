"""A run names its environment, what was installed and used; the core holds no list of families."""

from __future__ import annotations

import importlib.metadata

import pytest

from lebm_core.errors import UsageError
from lebm_core.registry.registry import Plugin, Registry
from lebm_core.run import environment
from lebm_core.run.environment import describe_environment, machine
from lebm_core.run.folder.lock import LOCK, locked


def test_versions_are_those_that_lebm_and_its_plugins_ask_for(monkeypatch):
    needs = {"lebm": ["torch>=2", "pillow>=11; extra == 'images'", "pytest>=8; extra == 'test'"],
             "lebm-mine": ["scipy[extra]>1 ; python_version > '3'", "no-such-package"]}  # fmt: skip
    versions = {"lebm": "1", "lebm-mine": "0.2", "torch": "2", "pillow": "11", "pytest": "8"}

    def requires(name):
        return needs[name]

    def version(name):
        if name not in versions | {"scipy": ""}:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions.get(name, "1.5")

    plugins = [Plugin("mine", "lebm-mine", "0.2", "loaded"), Plugin("bad", "bad", "", "failed")]
    monkeypatch.setattr(Registry, "plugins", lambda self: plugins)
    monkeypatch.setattr(importlib.metadata, "requires", requires)
    monkeypatch.setattr(importlib.metadata, "version", version)
    assert environment._versions() == {
        "lebm": "1", "lebm-mine": "0.2", "torch": "2", "pillow": "11", "scipy": "1.5"
    }  # fmt: skip


def test_the_machine_in_a_phrase():
    facts = describe_environment()
    assert {"lebm", "torch", "scikit-learn", "numpy"} <= set(facts["versions"])
    assert not {"pytest", "ruff", "mypy"} & set(facts["versions"])
    assert machine(facts).endswith(f"{facts['cores']} cores")
    assert machine({"gpu": "a GPU", "cpu": "a CPU", "cores": 2}) == "a GPU; a CPU, 2 cores"


def test_a_folder_is_locked_while_in_use(tmp_path):
    folder = tmp_path / "new" / "run"
    with locked(folder):
        assert (folder / LOCK).exists()
        with pytest.raises(UsageError, match="Another process is at work in"), locked(folder):
            pass
    assert not (folder / LOCK).exists()
    with locked(folder):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made"), locked(tmp_path / "file" / "run"):
        pass
    with pytest.raises(OSError, match="the run's own"), locked(folder):
        raise OSError("the run's own")
