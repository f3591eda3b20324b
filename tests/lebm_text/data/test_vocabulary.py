from __future__ import annotations

import pytest

from lebm_core.errors import UsageError
from lebm_core.sequences.tokens import EOS, PAD, SPECIAL, UNK
from lebm_text.data.vocabulary import Vocabulary


def test_round_trip(sentences):
    vocabulary = Vocabulary.build(sentences)
    again = Vocabulary(vocabulary.to_json()["words"])
    assert again.words == vocabulary.words
    for sentence in sentences:
        assert again.decode([*vocabulary.encode(sentence), EOS, PAD, PAD]) == sentence


def test_order_is_by_frequency_then_alphabet():
    vocabulary = Vocabulary.build(["b a c", "c b", "d"])
    assert vocabulary.words == [*SPECIAL, "b", "c", "a", "d"]
    assert Vocabulary.build(["b a c", "c b", "d"], size=2).words == [*SPECIAL, "b", "c"]
    assert Vocabulary.build(["b a c", "c b", "d"], min_count=2).words == [*SPECIAL, "b", "c"]


def test_the_texts_own_unknown_word_is_the_unknown_word():
    vocabulary = Vocabulary.build(["the <unk> sat", "the cat"])
    assert vocabulary.words.count("<unk>") == 1
    assert vocabulary.encode("<unk> cat zebra") == [UNK, vocabulary.encode("cat")[0], UNK]
    assert vocabulary.decode(vocabulary.encode("the <unk> sat")) == "the <unk> sat"


def test_words_that_look_like_special_ids_cannot_end_a_sentence():
    vocabulary = Vocabulary.build(["a <eos> b <pad>", "a b <bos>"])
    assert vocabulary.encode("a <eos> <pad> <bos> b").count(UNK) == 3


@pytest.mark.parametrize(("text", "count"), [("word word word", 1), ("<unk>", 0)])
def test_a_vocabulary_of_one_word_is_refused(text, count):
    with pytest.raises(UsageError, match=rf"my\.txt has {count} word.*needs at least 2"):
        Vocabulary.build([text], where="my.txt")


def test_repeated_or_special_words_are_refused():
    for words in (["a", "a"], ["a", "<eos>"]):
        with pytest.raises(UsageError, match="must differ"):
            Vocabulary(words)
