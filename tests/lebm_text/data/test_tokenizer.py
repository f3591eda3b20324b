from __future__ import annotations

import json

import pytest

from lebm_core.errors import UsageError
from lebm_core.sequences.tokens import EOS, SPECIAL, UNK
from lebm_text.data.sources import file
from lebm_text.data.tokenizer import Subwords, load_tokenizer
from lebm_text.data.vocabulary import Vocabulary

tokenizers = pytest.importorskip("tokenizers")


@pytest.fixture
def definition(tmp_path, sentences):
    """A byte-pair tokenizer trained here, as the file that the library writes."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(sentences, trainer)
    tokenizer.enable_truncation(3)  # what a stored file may hold, and must not cut the text
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def test_round_trip(definition, sentences):
    subwords = Subwords.from_pretrained(str(definition))
    again = load_tokenizer(json.loads(json.dumps(subwords.to_json())))
    for sentence in [*sentences, "Ünknown wörds, too!"]:
        ids = subwords.encode(sentence)
        assert min(ids) >= len(SPECIAL) and max(ids) < len(subwords)
        assert again.decode([*ids, EOS, 0, 0]) == sentence
    assert UNK not in subwords.encode("zebra")


def test_a_folder_with_the_file_will_do(definition):
    assert len(Subwords.from_pretrained(str(definition.parent))) == len(
        Subwords.from_pretrained(str(definition))
    )


def test_a_wrong_file_is_named(tmp_path):
    path = tmp_path / "wrong.json"
    path.write_text("{}")
    with pytest.raises(UsageError, match=r"wrong\.json.* is not a tokenizer\.json"):
        Subwords.from_pretrained(str(path))


def test_a_missing_tokenizer_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UsageError, match="no hub id that could be read"):
        Subwords.from_pretrained(str(tmp_path / "none"))


def test_a_data_set_over_subwords(build, definition, text_file, tmp_path):
    data = build(file, source=str(text_file), tokenizer=str(definition))
    assert data.sizes["vocab_size"] == len(Subwords.from_pretrained(str(definition)))
    data.save(tmp_path / "saved")
    definition.unlink()
    again = type(data).load(tmp_path / "saved")  # needs the file no more
    x = data.batch("train", data.order("train", 4)[0]).x
    assert again.strings(x) == data.strings(x)


def test_a_saved_vocabulary_loads_as_one():
    assert isinstance(load_tokenizer(Vocabulary(["a", "b"]).to_json()), Vocabulary)
