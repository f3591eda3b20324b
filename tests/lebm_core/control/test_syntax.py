"""Controls as text: the registered ones, properties, negation, strength, and every mistake."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from lebm_core import ClassIs, Function, Property
from lebm_core.control.syntax import parse_control
from lebm_core.errors import UsageError
from lebm_core.registry import registry as registries


@pytest.mark.parametrize(
    ("text", "kind", "value", "strength"),
    [
        ("qed=0.9", "target", 0.9, 1.0),
        (" qed > 0.8 @ 2 ", "at_least", 0.8, 2.0),
        ("qed>=0.8", "at_least", 0.8, 1.0),
        ("qed<-1e-3@0.5", "at_most", -1e-3, 0.5),
        ("qed<=3", "at_most", 3.0, 1.0),
    ],
)
def test_another_name_is_a_property(text, kind, value, strength):
    control = parse_control(text)
    assert isinstance(control, Property)
    assert (control.name, control.kind, control.value) == ("qed", kind, value)
    assert control.strength == strength


def test_the_extremes_of_a_property():
    assert parse_control("qed=max").kind == "maximise"
    assert parse_control("qed=min@3").kind == "minimise"


def test_y_is_the_class_by_id_or_name():
    control = parse_control("y=2")
    assert isinstance(control, ClassIs) and control.classes == ("2",) and not control.negated
    assert parse_control("y=positive, negative@2").classes == ("positive", "negative")
    assert parse_control("not:y=2").negated and parse_control("not:qed>1").kind == "at_most"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("qed", "is not understood; use controls such as qed=0.9"),
        ("=3", "is not understood"),
        ("qed=high", 'the value "high" is not a number'),
        ("qed=inf", 'the value "inf" is not a number'),
        ("qed=1@much", 'the strength "much" is not a number'),
        ("qed=1@-1", "strength must be 0 or more"),
        ("qed>max", "max is given by =, qed=max"),
        ("y>2", "a class is given by =, y=2"),
        ("not:qed=1", "needs a control that is a probability"),
    ],
)
def test_a_mistake_is_quoted(text, words):
    with pytest.raises(UsageError) as error:
        parse_control(text)
    assert words in str(error.value)


def test_a_plugin_registers_a_control(tmp_path, monkeypatch):
    (tmp_path / "lebm_near.py").write_text(
        "from lebm_core import Function, hookimpl\n"
        "@hookimpl\n"
        "def lebm_register_controls(register):\n"
        "    register('near.to', 'lebm_near:near', 'a point')\n"
        "def near(sign, value, strength):\n"
        "    return Function(lambda z: -z.square().sum(1), strength, name=sign + value)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = registries.Registry([EntryPoint("near", "lebm_near", "lebm")])
    monkeypatch.setattr(registries, "discover", lambda: found)
    control = parse_control("near.to<1,2@4")
    assert isinstance(control, Function) and control.strength == 4.0 and control.name == "<1,2"
