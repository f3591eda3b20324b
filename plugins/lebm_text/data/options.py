"""What the registered data sets share: their options in words, the user's own file, three files."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from lebm_core.data.files import file_sha256
from lebm_core.errors import UsageError, did_you_mean
from lebm_text.data.corpus import Corpus, read_sentences, split_by_hash
from lebm_text.data.dataset import TextDataset
from lebm_text.data.pydocs import simple_words

__all__ = ["Reader", "explained", "split_files", "user_corpus", "word_rule"]

COMMON = {
    "source": "the user's own file instead, one sentence a line",
    "tokenizer": "a tokenizer.json, a folder with one or a hub id; empty for a vocabulary of words",
    "vocab_size": "the most words of the vocabulary; 0 for all",
    "min_count": "words seen less often in the training text are unknown",
    "max_length": "the most tokens of a training sentence, without its end; 0 for no limit",
    "long_lines": '"drop" or "truncate" longer training sentences; others are kept whole',
    "max_line": "a line of more words is refused",
    "train_lines": "use only so many training sentences; 0 for all",
    "eval_lines": "use only so many sentences of valid and of test; 0 for all",
    "valid_share": "share of the distinct sentences that goes to valid where no file is given",
    "test_share": "share that goes to test",
    "representation": '"tokens", or "bag": counts of the vocab_size most frequent words',
    "stop_words": "whether a bag counts the commonest words of English too",
    "words": '"whitespace" takes lines as they are, "simple" lower-cases and parts punctuation',
}
WORDS = {"whitespace": None, "simple": simple_words}
Reader = Callable[[Path, int], list[str]]
Factory = TypeVar("Factory", bound=Callable[..., TextDataset])


def explained(factory: Factory) -> Factory:
    """Adds the meaning of the shared parameters to a factory's docstring, where recipes find it."""
    lines = [inspect.getdoc(factory) or ""]
    if "Args:" not in lines[0]:
        lines += ["", "Args:"]
    for name in inspect.signature(factory).parameters:
        if name in COMMON and f"    {name}:" not in lines[0]:
            lines.append(f"    {name}: {COMMON[name]}")
    factory.__doc__ = "\n".join(lines)
    return factory


def user_corpus(
    source: str,
    max_line: int,
    valid_share: float = 0.05,
    test_share: float = 0.05,
    words: str = "whitespace",
) -> Corpus:
    """The user's own file, one sentence a line, cut into splits by a hash of each sentence."""
    path = Path(source).expanduser()
    sentences = read_sentences(path, max_line=max_line, prepare=word_rule(words))
    corpus = split_by_hash(sentences, valid_share, test_share, str(path))
    corpus.facts["sha256"] = {path.name: file_sha256(path)}
    return corpus


def word_rule(words: str) -> Callable[[str], str] | None:
    """What makes words of a line: white space alone, or lower case with punctuation apart."""
    if words not in WORDS:
        raise UsageError(
            f'data.words = "{words}" is not one of {", ".join(WORDS)}.' + did_you_mean(words, WORDS)
        )
    return WORDS[words]


def split_files(paths: Sequence[Path], readers: Sequence[Reader], max_line: int) -> Corpus:
    """A corpus with one file for each of train, valid and test."""
    train, valid, test = (read(p, max_line) for read, p in zip(readers, paths, strict=True))
    facts = {"sha256": {path.name: file_sha256(path) for path in paths}}
    return Corpus(train, valid, test, str(paths[0].parent), facts)
