"""The decoder that is told what a SMILES has left open."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from lebm_core.errors import UsageError
from lebm_core.registry.parts import Part, make
from lebm_core.sequences.dataset import pad
from lebm_core.sequences.decoder import SequenceDecoder
from lebm_core.sequences.tokens import EOS
from lebm_molecules.data.tokens import MoleculeTokens, symbols_of
from lebm_molecules.networks.smiles_decoder import DEEPEST, SmilesDecoder, _changes, _seen

SMILES = ["C1CC(C%12CC1)OC%12", "CC(C(C(=O)O)N)O", "[13CH3]c1ccc(C2CC2)cc1", "C"]
TOKENS = MoleculeTokens.build((symbols_of(s, "smiles") for s in SMILES), "smiles")


def _x() -> Tensor:
    return pad([torch.tensor([*TOKENS.encode(s), EOS]) for s in SMILES])


def _decoder(kind: Any = SmilesDecoder, **options: Any) -> Any:
    torch.manual_seed(0)
    given = {"embed_dim": 8, "hidden": 12, "dropout": 0.0, "half": False, **options}
    sizes = {"latent_dim": 3, "vocab_size": len(TOKENS), "symbols": TOKENS.symbols}
    name = "molecules.smiles" if kind is SmilesDecoder else "sequence"
    decoder = make(Part("decoders"), {"name": name, **given}, sizes)
    assert type(decoder) is kind
    return decoder


def _open(smiles: str) -> list[tuple[list[int], int]]:
    """After each token of `smiles` the rings that are open and the depth, as the decoder has it."""
    symbols = TOKENS.symbols
    numbers = sorted({1, 2, 12})
    changes = _changes(symbols, len(symbols))
    seen = _seen(changes[torch.tensor(TOKENS.encode(smiles))].cumsum(0))
    rings, depth = seen[:, : len(numbers)], seen[:, len(numbers) :]
    assert depth.shape[1] == DEEPEST
    states = []
    for row, levels in zip(rings, depth, strict=True):
        assert torch.equal(levels, levels.sort(descending=True).values)  # at least 1, at least 2, …
        states.append(([n for n, is_open in zip(numbers, row, strict=True) if is_open],
                     int(levels.sum())))  # fmt: skip
    return states


def test_what_is_open_by_hand() -> None:
    #       C        1          C          (          C          %12            C
    want = [([], 0), ([1], 0), ([1], 0), ([1], 1), ([1], 1), ([1, 12], 1), ([1, 12], 1)]
    #        1           )           O           %12
    want += [([12], 1), ([12], 0), ([12], 0), ([], 0)]
    assert _open("C1C(C%12C1)O%12") == want


def test_digits_in_brackets_are_no_rings() -> None:
    assert _open("[13CH3]C") == [([], 0), ([], 0)]


def test_a_ring_number_is_used_again() -> None:
    assert [rings for rings, _ in _open("C1CC1C1CC1")] == [[], [1], [1], [1], [], [], [1], [1],
                                                            [1], []]  # fmt: skip


@pytest.mark.parametrize("depth", [1, DEEPEST, DEEPEST + 2])
def test_depth_is_told_up_to_a_limit(depth: int) -> None:
    nested = "C" + "(C" * depth + ")" * depth
    told = [level for _, level in _open(nested)]
    assert max(told) == min(depth, DEEPEST)
    assert told[-1] == 0


@pytest.mark.parametrize("cell", ["lstm", "gru", "transformer"])
def test_token_by_token_is_all_at_once(cell: str) -> None:
    decoder = _decoder(cell=cell).eval()
    torch.nn.init.normal_(decoder.open.weight)
    x, z = _x(), torch.randn(len(SMILES), 3)
    token, state = torch.full((len(x),), decoder.bos), None
    total = torch.zeros(len(x))
    with torch.no_grad():
        for step in range(x.shape[1]):
            logits, state = decoder.next_logits(token, state, z)
            token = x[:, step]
            log_p = logits.log_softmax(-1).gather(1, token[:, None]).squeeze(1)
            total += torch.where(token != decoder.pad, log_p, 0.0)
        torch.testing.assert_close(decoder.likelihood(x)(z), total, rtol=1e-5, atol=1e-4)


def test_a_row_that_is_selected_keeps_what_it_opened() -> None:
    decoder = _decoder().eval()
    torch.nn.init.normal_(decoder.open.weight)
    x, z = _x(), torch.randn(len(SMILES), 3)
    state = None
    with torch.no_grad():
        for step in range(4):
            _, state = decoder.next_logits(x[:, step], state, z)
        rows = torch.tensor([2, 0])
        whole, _ = decoder.next_logits(x[:, 4], state, z)
        some, _ = decoder.next_logits(x[rows, 4], decoder.select(state, rows), z[rows])
    torch.testing.assert_close(some, whole[rows])


def test_what_is_open_changes_the_next_token() -> None:
    """The gradient reaches the new weights, and each of them where its ring or branch occurs."""
    decoder = _decoder()
    (-decoder.likelihood(_x())(torch.randn(len(SMILES), 3)).sum()).backward()
    moved = decoder.open.weight.grad.abs().sum(0) > 0
    assert moved.tolist() == [True] * 3 + [True] * 3 + [False] * (DEEPEST - 3)


def test_it_begins_as_the_sequence_decoder() -> None:
    """The new weights are 0 at first: it is the plain decoder of the same seed."""
    x, z = _x(), torch.randn(len(SMILES), 3)
    told, plain = _decoder(), _decoder(SequenceDecoder)
    torch.testing.assert_close(told.likelihood(x)(z), plain.likelihood(x)(z))


def test_selfies_open_nothing() -> None:
    decoder = SmilesDecoder(3, 6, ["<pad>", "<bos>", "<eos>", "<unk>", "[C]", "[Ring1]"])
    assert decoder.changes.abs().sum() == 0
    assert decoder.changes.shape == (6, 1)


def test_other_data_is_refused() -> None:
    with pytest.raises(UsageError, match="needs symbols, which this data set does not give"):
        make(Part("decoders"), {"name": "molecules.smiles"}, {"latent_dim": 3, "vocab_size": 9})
