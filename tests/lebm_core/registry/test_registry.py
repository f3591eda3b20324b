"""The registry: entry points load one by one, and what is wrong with one is said and contained."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint

import pytest

import lebm_core.registry.registry
from lebm_core.errors import MissingExtra, UsageError, did_you_mean
from lebm_core.registry.extras import extra_of
from lebm_core.registry.registry import Registry, registry

HEADER = "from lebm_core.registry.hookspecs import hookimpl\n\n"
GOOD = HEADER + (
    "@hookimpl\n"
    "def lebm_register_metrics(register):\n"
    "    register('{name}.metric', '{name}:metric', 'a metric')\n"
    "def metric():\n"
    "    return '{name}'\n"
)


OWN = ["chain", "labels.accuracy", "likelihood", "prior-codes"]  # the core's metrics


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Writes a plugin module and returns its entry point."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return EntryPoint(name, name, "lebm")

    return write


def test_the_core_registers_itself():
    found = Registry()
    assert found.names("decoders") == ["sequence", "sequence.ladder"]
    assert found.names("encoders") == ["sequence", "sequence.counts", "sequence.ladder"]
    assert found.names("metrics") == OWN
    assert found.plugins() == []


def test_a_plugin_registers_names_that_are_imported_late(plugin):
    found = Registry([plugin("latepart", GOOD.format(name="latepart"))])
    assert found.names("metrics") == sorted([*OWN, "latepart.metric"])
    assert found.find("metrics", "latepart.metric").summary == "a metric"
    assert found.get("metrics", "latepart.metric")() == "latepart"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_package_at_all\n", "ModuleNotFoundError"),
        ("raise RuntimeError('broken\\nin two lines')\n", "RuntimeError: broken in two lines"),
        ("import sys; sys.exit(3)\n", "SystemExit: 3"),
        ("def (:\n", "SyntaxError"),
        (HEADER + "@hookimpl\ndef lebm_register_metric(register): pass\n", "lebm_register_metrics"),
        (HEADER + "@hookimpl\ndef lebm_register_metrics(wrong): pass\n", "wrong"),
        ("def lebm_register_metrics(register): pass\n", "hookimpl"),
        (
            HEADER + "@hookimpl\ndef lebm_register_metrics(register):\n"
            "    register('half.done', 'half:done'); raise ValueError('no')\n",
            "ValueError: no",
        ),
        (HEADER + "@hookimpl\ndef lebm_register_metrics(register): register('a', 'b')\n", '"b"'),
    ],
)
def test_a_broken_plugin_is_reported_once_and_breaks_nothing(plugin, capsys, text, reason):
    points = [plugin("badone", text), plugin("fineone", GOOD.format(name="fineone"))]
    found = Registry(points)
    assert found.names("metrics") == sorted([*OWN, "fineone.metric"])
    status = {entry.name: entry for entry in found.plugins()}
    assert status["fineone"].status == "loaded"
    assert status["badone"].status == "failed" and reason in status["badone"].error
    warned = capsys.readouterr().err.splitlines()
    assert len(warned) == 1 and "badone" in warned[0] and reason in warned[0]
    with pytest.raises(UsageError, match="badone failed to load"):
        found.find("metrics", "half.done")


def test_two_plugins_with_one_name_raise_naming_both(plugin, monkeypatch):
    same = GOOD.replace("'{name}.metric'", "'same.metric'")
    points = [
        plugin("first", same.format(name="first")),
        plugin("other", same.format(name="other")),
    ]
    found = Registry(points)
    monkeypatch.setattr(lebm_core.registry.registry, "discover", lambda: found)
    with pytest.raises(
        UsageError, match='"same.metric" is registered twice, by first and by other'
    ):
        registry()


def test_a_plugin_cannot_take_a_name_of_the_core(plugin):
    text = HEADER + (
        "@hookimpl\ndef lebm_register_decoders(register): register('sequence', 'mine:Decoder')\n"
    )
    assert "by lebm and by taker" in Registry([plugin("taker", text)]).clash


def test_the_limit_names_what_is_loaded(plugin, capsys):
    points = [plugin(name, GOOD.format(name=name)) for name in ("wanted", "unwanted")]
    found = Registry(points, ["wanted", "wantd"])
    assert found.names("metrics") == sorted([*OWN, "wanted.metric"])
    assert [entry.status for entry in found.plugins()] == ["not loaded", "loaded"]
    assert 'the plugin "wantd"' in capsys.readouterr().err
    assert Registry(points, []).names("metrics") == OWN


def test_unknown_names_and_targets_are_one_sentence(plugin):
    text = GOOD.format(name="asked") + (
        "@hookimpl\ndef lebm_register_decoders(register):\n"
        "    register('asked.gone', 'asked:Gone')\n"
        "    register('asked.missing', 'asked_missing:Gone')\n"
        "    register('asked.extra', 'asked_extra:Gone')\n"
    )
    point = plugin("asked", text)
    plugin("asked_extra", "import sacrebleu_is_not_here\n")
    found = Registry([point])
    with pytest.raises(UsageError, match='no "asked.metrik" .* Did you mean "asked.metric"?'):
        found.get("metrics", "asked.metrik")
    with pytest.raises(UsageError, match='"asked.gone" of asked cannot be imported: .*Gone'):
        found.get("decoders", "asked.gone")
    with pytest.raises(UsageError, match='"asked.missing" of asked cannot be imported'):
        found.get("decoders", "asked.missing")
    with pytest.raises(MissingExtra, match="pip install sacrebleu_is_not_here"):
        found.get("decoders", "asked.extra")


def test_the_extra_that_brings_a_package_is_named(monkeypatch):
    asked = {
        "lebm": ['transformers>=5; extra == "text"', 'transformers>=5; extra == "all"'],
        "lebm-mine": ["pillow>=11 ; extra == 'pictures'"],
    }
    monkeypatch.setattr("importlib.metadata.requires", asked.get)
    assert extra_of("transformers") == "text"
    assert extra_of("PIL", "lebm-mine") == "lebm-mine[pictures]"
    assert extra_of("torch") == ""
    assert 'pip install "lebm[text]"' in str(MissingExtra("transformers", "text"))
    assert 'pip install "lebm-mine[pictures]"' in str(MissingExtra("PIL", "lebm-mine[pictures]"))


def test_did_you_mean_keeps_quiet_about_what_is_far():
    assert did_you_mean("Text-PTB", ["text-ptb"]) == ' Did you mean "text-ptb"?'
    assert did_you_mean("zebra", ["text-ptb"]) == ""
