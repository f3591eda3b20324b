from __future__ import annotations

import json
from pathlib import Path

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
    again = load_tokenizer(json.loads(json.dumps(subwords.to_json())), definition)
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
    assert isinstance(load_tokenizer(Vocabulary(["a", "b"]).to_json(), Path("x")), Vocabulary)


@pytest.mark.parametrize(
    "saved",
    [{}, {"kind": "words"}, {"kind": "words", "words": [1]}, {"kind": "subwords"},
     {"kind": "subwords", "definition": {"model": 3}}],
)  # fmt: skip
def test_a_damaged_vocabulary_is_one_sentence(saved):
    with pytest.raises(UsageError, match=r"text.json is damaged: it holds no vocabulary"):
        load_tokenizer(saved, Path("text.json"))


def lines(folder, *texts):
    """The same lines as train, valid and test."""
    path = folder / "lines.txt"
    path.write_text("\n".join(texts), encoding="utf-8")
    return {split: str(path) for split in ("source", "valid", "test")}


def test_characters_that_a_tokenizer_drops_are_counted_said_and_refused(build, cases, tmp_path):
    known, other = "the cat sees the dog " * 19, "bunny " * 4  # b, u, n and y have no token
    paths = lines(tmp_path, known, other)
    tokenizer = str(cases / "bpe_nounk.json")
    lost = 20 / (19 * len("thecatseesthedog") + 20)
    with pytest.raises(UsageError, match=rf'drops {lost:.1%} of the characters \("n", ') as error:
        build(file, **paths, tokenizer=tokenizer, max_length=0)
    assert "at most data.max_lost = 0.05" in str(error.value) and "\n" not in str(error.value)
    with pytest.warns(UserWarning, match=rf"drops {lost:.1%} of the characters"):
        data = build(file, **paths, tokenizer=tokenizer, max_length=0, max_lost=0.1)
    assert data.summary["dropped share"]["train"] == pytest.approx(lost, abs=1e-5)
    with pytest.raises(UsageError, match="data.max_lost = nan"):
        build(file, **paths, max_lost=float("nan"))


def test_a_tokenizer_of_bytes_drops_nothing(build, definition, tmp_path):
    data = build(file, **lines(tmp_path, "Ünknown wörds 漢字 \ufffd"), tokenizer=str(definition))
    assert set(data.summary["dropped share"].values()) == {0}
    bytes_of = json.loads(definition.read_text())
    vocabulary = bytes_of["model"]["vocab"]
    for letter in ("¼", "Ã"):  # of the two bytes of ü, c3 bc
        del vocabulary[letter]
        bytes_of["model"]["merges"] = [m for m in bytes_of["model"]["merges"] if letter not in m]
        half = Subwords(json.dumps(bytes_of))
        assert half.dropped(["für", "ü", "r"]) == {"ü": 2}


@pytest.mark.parametrize("name", ["[UNK]", "<unk>", "oov"])
@pytest.mark.parametrize("kind", ["WordLevel", "WordPiece", "BPE", "Unigram"])
def test_an_unknown_token_of_any_name_counts(build, tmp_path, name, kind):
    words = [name, *"abc"]
    vocabulary = {word: i for i, word in enumerate(words)}
    model = {
        "WordLevel": lambda: tokenizers.models.WordLevel(vocabulary, unk_token=name),
        "WordPiece": lambda: tokenizers.models.WordPiece(vocabulary, unk_token=name),
        "BPE": lambda: tokenizers.models.BPE(vocabulary, [], unk_token=name),
        "Unigram": lambda: tokenizers.models.Unigram([(w, -1.0) for w in words], unk_id=0),
    }[kind]()
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    paths = lines(tmp_path, "a b c z", "a a b c b c")
    data = build(file, **paths, tokenizer=str(tmp_path), max_lost=0.1)
    assert data.summary["unknown share"]["train"] == 0.1
    assert data.summary["dropped share"]["train"] == 0
    with pytest.raises(UsageError, match="10.0% of its tokens as unknown; at most data.max_lost"):
        build(file, **paths, tokenizer=str(tmp_path))


def test_a_tokenizer_that_lacks_its_unknown_token_says_so():
    model = tokenizers.models.WordLevel({"a": 0}, unk_token="<unk>")
    subwords = Subwords(tokenizers.Tokenizer(model).to_str())
    with pytest.raises(UsageError, match='data.tokenizer cannot read "z"'):
        subwords.encode("z")
