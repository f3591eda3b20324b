"""A part is made from an object, a name or a table, and described by the table that makes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

import pytest

from lebm_core.chains.samplers import MALA, Langevin
from lebm_core.errors import UsageError
from lebm_core.latent.chains import ShortRun
from lebm_core.priors.coupled import CoupledPrior
from lebm_core.priors.ebm import EBMPrior
from lebm_core.registry.parts import Part, Table, arguments, describe, make
from lebm_core.registry.registry import registry

SAMPLER = Part("samplers", "langevin", {"steps": 20})
PRIOR = Part("priors", "ebm")


def test_a_part_is_given_as_nothing_a_name_a_table_or_an_object():
    default = make(SAMPLER)
    assert isinstance(default, Langevin) and default.steps == 20 and default.step_size == 0.4
    named = make(SAMPLER, "mala")
    assert isinstance(named, MALA) and named.steps == 20
    table = make(SAMPLER, {"step_size": 0.1})
    assert isinstance(table, Langevin) and (table.steps, table.step_size) == (20, 0.1)
    own = Langevin(steps=3)
    assert make(SAMPLER, own) is own


def test_parts_within_a_part_are_given_in_the_same_ways():
    tables = {"sampler": {"steps": 5}, "energy": {"hidden": [16]}}
    for prior in (EBMPrior(2, **tables), make(PRIOR, {"latent_dim": 2, **tables})):
        assert prior.sampler.steps == 5
        assert describe(prior)["energy"]["hidden"] == [16]
    assert EBMPrior(2, sampler="mala").sampler.adjusted
    assert EBMPrior(2, sampler=Langevin(steps=7)).sampler.steps == 7


def test_a_name_without_its_prefix():
    rule = Part("learning_rules", "density-ratio", prefix="prior.")
    assert type(make(rule)).__name__ == "DensityRatio"
    assert type(make(rule, "persistent")).__name__ == "PersistentChains"


def test_an_optional_part_may_be_left_out_and_another_must_be_named():
    encoder = Part("encoders", optional=True)
    assert make(encoder) is None and make(encoder, "") is None and make(encoder, "none") is None
    assert make(encoder, {"name": ""}) is None
    with pytest.raises(UsageError, match="One of the decoders must be named: .*sequence"):
        make(Part("decoders"))


def test_sizes_fill_what_a_table_leaves_open():
    coupled = make(Part("priors"), {"name": "coupled", "latent_dim": 2}, {"n_classes": 3})
    assert isinstance(coupled, CoupledPrior) and coupled.n_classes == 3
    own = make(Part("priors"), {"name": "coupled", "n_classes": 5}, {"n_classes": 3})
    assert own.n_classes == 5
    with pytest.raises(UsageError, match="needs vocab_size, .* gives latent_dim"):
        make(Part("decoders"), "sequence", {"latent_dim": 2})


def test_an_unknown_rule_is_told_the_names_that_stand_where_it_does():
    """Those of the rule for the decoder and of that for the prior are other keys' names."""
    said = {}
    for name in ("-1", "prior.-1"):
        with pytest.raises(UsageError, match="among the learning_rules") as refused:
            registry().find("learning_rules", name)
        said[name] = str(refused.value)
    assert "two-part" in said["-1"] and "prior." not in said["-1"] and "decoder." not in said["-1"]
    assert "prior.persistent" in said["prior.-1"] and "two-part" not in said["prior.-1"]


def test_an_unknown_name_or_option_is_one_sentence():
    with pytest.raises(UsageError, match='no option "stebs". Did you mean "steps"'):
        make(SAMPLER, {"stebs": 3})
    with pytest.raises(UsageError, match='no "langevim" among the samplers'):
        make(SAMPLER, "langevim")


@pytest.mark.parametrize(
    "part",
    [
        Langevin(steps=3, noise=0.0),
        ShortRun(sampler=MALA(steps=4), init="data"),
        EBMPrior(3, energy={"hidden": [8]}, sampler="mala", bound=None),
        CoupledPrior(3, 4, sampler={"steps": 2}),
    ],
    ids=lambda part: type(part).__name__,
)
def test_the_description_makes_the_part_again(part):
    kind = {"Langevin": "samplers", "ShortRun": "inference"}.get(type(part).__name__, "priors")
    table = json.loads(json.dumps(describe(part)))
    again = make(Part(kind), table)
    assert type(again) is type(part) and describe(again) == table


def test_a_class_that_no_plugin_registers_cannot_be_made_again():
    class Own(Langevin):
        pass

    table = describe(Own(steps=3), "samplers")
    assert table["name"] is None and table["class"].endswith("Own")
    for part in (SAMPLER, Part("samplers", optional=True)):
        with pytest.raises(UsageError, match="Own is registered by no plugin as one of the sam"):
            make(part, table)


@dataclass(frozen=True)
class Ring:
    width: int = 3
    height: int = 4
    closed: bool = True


def rings(
    *,
    seed: int,
    name: str = "",
    inner: Annotated[Ring, Table()] = Ring(1),  # noqa: B008
    ring: Ring = Ring(height=9),  # noqa: B008
) -> tuple[str, Ring, Ring]:
    return name, ring, inner


def test_fields_of_a_dataclass_are_gathered_and_those_of_a_marked_one_are_a_table():
    table = {"seed": 0, "name": "a", "width": 5}
    given = arguments(rings, {**table, "inner": {"height": 2}}, {}, "rings")
    assert rings(**given) == ("a", Ring(5, 9, True), Ring(1, 2, True))
    assert rings(**arguments(rings, table, {}, "rings")) == ("a", Ring(5, 9, True), Ring(1))
    whole = arguments(rings, {"ring": Ring(8), "inner": Ring(1)}, {"seed": 0}, "rings")
    assert whole["ring"] == Ring(8) and whole["inner"] == Ring(1)
    with pytest.raises(UsageError, match='rings has no option "widht". Did you mean "width"'):
        arguments(rings, {"widht": 5}, {"seed": 0}, "rings")
