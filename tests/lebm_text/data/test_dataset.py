from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from lebm_core.data.files import DataFiles
from lebm_core.data.saved import load_dataset, save_dataset
from lebm_core.errors import UsageError
from lebm_core.sequences.tokens import EOS, PAD
from lebm_text.data.dataset import TextDataset
from lebm_text.data.sources import file, ptb
from lebm_text.data.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def data(build, text_file) -> TextDataset:
    return build(file, source=str(text_file))


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
@pytest.mark.parametrize("shuffled", [True, False])
def test_an_epoch_has_every_sentence_once(data, batch_size, shuffled):
    generator = torch.Generator().manual_seed(3) if shuffled else None
    order = data.order("train", batch_size, generator)
    assert torch.cat(order).sort().values.tolist() == list(range(data.length("train")))
    assert max(map(len, order)) <= batch_size


def test_a_vocabulary_of_another_size_than_the_training_s_is_refused(data, tmp_path):
    """Each id of the model would be the next word's."""
    data.name = "text.file"
    save_dataset(data, tmp_path)
    assert load_dataset(tmp_path).sizes == data.sizes
    file = tmp_path / "data" / "text.json"
    kept = json.loads(file.read_text())
    del kept["tokenizer"]["words"][3]
    file.write_text(json.dumps(kept))
    n = len(data.tokenizer)
    with pytest.raises(UsageError, match=rf'text.json does not fit .*data.json: .* "{n - 1}", and'):
        load_dataset(tmp_path)
    kept["tokenizer"]["words"][3:4] = [kept["tokenizer"]["words"][0]] * 2
    file.write_text(json.dumps(kept))
    with pytest.raises(UsageError, match=r"text\.json is damaged\. The words of a vocabulary"):
        load_dataset(tmp_path)


def test_epochs_differ_and_are_reproduced(data):
    def epoch(seed):
        return torch.cat(data.order("train", 4, torch.Generator().manual_seed(seed)))

    assert torch.equal(epoch(0), epoch(0))
    assert not torch.equal(epoch(0), epoch(1))


def test_batches_hold_sentences_of_like_length():
    rows = [[4] * (1 + i % 40) for i in range(4000)]
    data = TextDataset(Vocabulary(["a", "b"]), {"train": rows}, {})
    lengths = data.lengths("train")

    def padding(order):
        return sum(int((lengths[i].max() - lengths[i]).sum()) for i in order)

    random = list(torch.randperm(4000).split(32))
    bucketed = data.order("train", 32, torch.Generator().manual_seed(0))
    assert padding(bucketed) < 0.1 * padding(random)
    # The batches themselves are not in the order of length.
    means = torch.stack([lengths[i].double().mean() for i in bucketed])
    both = torch.stack([means, torch.arange(len(means)).double()])
    assert abs(float(torch.corrcoef(both)[0, 1])) < 0.3


def test_rows_end_once_and_are_padded_at_the_right(data):
    index = torch.tensor([3, 0, 5])
    batch = data.batch("train", index)
    assert torch.equal(batch.rows, index)
    for row, length in zip(batch.x, data.lengths("train")[index], strict=True):
        assert (row == EOS).sum() == 1 and row[length - 1] == EOS
        assert (row[length:] == PAD).all() and (row[:length] != PAD).all()
    assert batch.x.shape[1] == data.lengths("train")[index].max()
    rows = data.rows("train")
    assert torch.equal(rows[3], batch.x[0][: len(rows[3])])


def test_sizes_are_those_of_the_data(data):
    longest = max(int(data.lengths(s).max()) for s in ("train", "valid", "test"))
    assert data.sizes == {
        "vocab_size": len(data.tokenizer), "pad": 0, "bos": 1, "eos": 2, "max_length": longest,
    }  # fmt: skip


def test_samples_are_written_one_a_line_and_survive_saving(data, tmp_path):
    x = data.batch("test", torch.arange(3)).x
    data.save(tmp_path / "saved")
    again = TextDataset.load(tmp_path / "saved")
    assert again.sizes == data.sizes and again.length("train") == 0
    assert again.order("train", 4) == [] and again.order("train", 4, torch.Generator()) == []
    path = again.write(x, tmp_path / "samples")
    assert path == tmp_path / "samples.txt"
    assert path.read_text(encoding="utf-8").splitlines() == data.strings(x)


def test_an_unknown_split_is_named(data):
    with pytest.raises(UsageError, match='no split "dev"'):
        data.length("dev")


def test_penn_treebank_counts(build):
    folder = os.environ.get("LEBM_DATA", "")
    if not any((Path(folder) / f"ptb/ptb.train.txt{end}").is_file() for end in ("", ".gz")):
        pytest.skip("LEBM_DATA names no folder with ptb/ptb.train.txt[.gz]")
    data = build(ptb, DataFiles(folder))
    assert data.summary["sentences"] == {"train": 42068, "valid": 3370, "test": 3761}
    assert data.summary["tokens"] == {"train": 887521, "valid": 70390, "test": 78669}
    assert data.length("train") == 42068 - 1673  # lines of more than 40 words
    assert (data.length("valid"), data.length("test")) == (3370, 3761)
    assert len(data.tokenizer) == 9998 + 4  # its own <unk> is the unknown word
    assert int(data.lengths("test").sum()) == 78669 + 3761
    cut = build(ptb, DataFiles(folder), long_lines="truncate", train_lines=500)
    assert cut.length("train") == 500 and int(cut.lengths("train").max()) == 41
