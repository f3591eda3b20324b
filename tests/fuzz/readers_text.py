"""Readers of sentences and what they read: own files, published sets, folders of the hub."""

from __future__ import annotations

import functools
import json
import random
from pathlib import Path
from typing import Any

from reader import DataSet, Reader, files_of, further, lines, saved

from lebm_core.registry.parts import Part, make

__all__ = ["READERS"]

WORDS = "a the cat dog man sees hears likes old red house tree and runs away".split()
SENTENCES = [
    " ".join(random.Random(i).choices(WORDS, k=4 + i % 5)) + f" {i % 7}" for i in range(120)
]
PARTS = ("train", "valid", "test")
KINDS = ["", "one", "two"]
OWN = {"valid_share": 0.2, "test_share": 0.2}
LABELLED = [f"{KINDS[i % 3]}\t{s}" for i, s in enumerate(SENTENCES)]
RECORDS = [{"text": s, "kind": KINDS[i % 3]} for i, s in enumerate(SENTENCES)]
OBJECTS = [json.dumps(record) for record in RECORDS]
QUESTIONS = [f'"{i % 10 + 1}","{s}","{s} {s}","{s} {i}, and so it is"' for i, s in
             enumerate(SENTENCES)]  # fmt: skip
PAIRS = [json.dumps({"sentence1": s, "sentence2": f"{s} again"}) for s in SENTENCES]
TABLE = ["gold_label\tsentence1\tsentence2", *(f"-\t{s}\t{s} again" for s in SENTENCES)]
RATED = [f"{s}\t{i % 2}" for i, s in enumerate(SENTENCES)]
TITLED = [json.dumps({"label": i % 4 + 1, "headline": s[:9], "text": s}) for i, s in
          enumerate(SENTENCES[:40])]  # fmt: skip
NEWS = [f"{s}\t{i % 4}" for i, s in enumerate(SENTENCES[40:80])]
ITEMS = [f'"{i % 4 + 1}","{s[:9]}","{s}, it said"' for i, s in enumerate(SENTENCES[80:])]
TOKENIZER = json.dumps({
    "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
    "normalizer": None, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {w: i for i, w in enumerate(
        ["<unk>", "<bos>", "<eos>", "<pad>", *dict.fromkeys(WORDS), *"0123456789"])},
              "unk_token": "<unk>"},
})  # fmt: skip


def dialogues() -> dict[str, bytes]:
    """Utterances, acts and emotions of the dialogues of each split, four utterances in each."""
    files: dict[str, bytes] = {}
    for i, split in enumerate(("train", "validation", "test")):
        own = [SENTENCES[j : j + 4] for j in range(40 * i, 40 * i + 40, 4)]
        told = {
            "": [" __eou__ ".join([*each, ""]).strip() for each in own],
            "act_": [f"{j % 4 + 1} 1 2 3" for j in range(len(own))],
            "emotion_": [f"{j % 7} 0 0 4" for j in range(len(own))],
        }
        for name, strings in told.items():
            files[f"dailydialog/dialogues_{name}{split}.txt"] = lines(strings)
    return files


@functools.cache
def hub_of_splits() -> dict[str, bytes]:
    """A `DatasetDict` as `save_to_disk` writes it."""
    import datasets

    every = {split: table(SENTENCES[i::3]) for i, split in enumerate(("train", "test", "valid"))}
    return files_of(datasets.DatasetDict(every).save_to_disk, "my/")


@functools.cache
def hub_alone() -> dict[str, bytes]:
    """A single `Dataset` as `save_to_disk` writes it."""
    return files_of(table(SENTENCES).save_to_disk, "my/")


def table(sentences: list[str]) -> Any:
    import datasets

    made = datasets.Dataset.from_dict({"text": sentences, "n": list(range(len(sentences)))})
    made._fingerprint = "0" * 16  # else it is another each time
    return made


def tokenized() -> Reader:
    files = {"tokenizer.json": TOKENIZER.encode(), "my.txt": lines(SENTENCES)}
    return Reader(files, DataSet("text.file", "my.txt", tokenizer="tokenizer.json", **OWN))


@functools.cache
def language_model() -> dict[str, bytes]:
    """A causal language model as `save_pretrained` writes it."""
    import torch
    import transformers

    config = transformers.GPT2Config(vocab_size=8, n_positions=4, n_embd=4, n_layer=1, n_head=1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.GPT2LMHeadModel(config)
    return files_of(model.save_pretrained, "my/")


def pretrained(folder: Path) -> None:
    """A decoder of that model, as a recipe's [decoder] makes it, and one likelihood."""
    import torch

    table = {"name": "text.transformers", "pretrained": str(folder / "my")}
    decoder = make(Part("decoders"), table, {"latent_dim": 2, "vocab_size": 12, "max_length": 2})
    with torch.no_grad():
        found = decoder.likelihood(torch.tensor([[4, 2]]))(torch.zeros(1, 2))
    assert found.isfinite().all()


PLAIN = Reader({"my.txt": lines(SENTENCES)}, DataSet("text.file", "my.txt", **OWN))
IN_TABLE = Reader(
    {"my.csv": lines(["text,kind", *(f"{s},{KINDS[i % 3]}" for i, s in enumerate(SENTENCES))])},
    DataSet("text.file", "my.csv", field="text", label="kind"),
)
TAB = Reader({"my.tsv": lines(LABELLED)}, DataSet("text.labelled", "my.tsv"))
BAG = Reader(TAB.files, DataSet("text.labelled", "my.tsv", representation="bag", vocab_size=12))
BPE = tokenized()

READERS = {
    "text.file": PLAIN,
    "text.csv": IN_TABLE,
    "text.json": Reader({"my.json": json.dumps(RECORDS).encode()},
                        DataSet("text.file", "my.json", field="text", **OWN)),
    "text.labelled": TAB,
    "text.jsonl": Reader({"my.jsonl": lines(OBJECTS)},
                         DataSet("text.labelled", "my.jsonl", field="text", label="kind")),
    "text.tokenizer": BPE,
    "text.hub": Reader(hub_of_splits, DataSet("text.hub", "my"), 1, True),
    "text.hub-alone": Reader(hub_alone, DataSet("text.hub", "my", **OWN), 1, True),
    "text.hub-files": Reader({"my/train.csv": lines([f'"{s}",{i}' for i, s in enumerate(
        ["text", *SENTENCES])])}, DataSet("text.hub", "my", **OWN)),
    "text.pretrained": Reader(language_model, pretrained, 1, True),
    "text.ptb": Reader({f"ptb/ptb.{s}.txt": lines(SENTENCES[i::3]) for i, s in enumerate(PARTS)},
                       DataSet("text.ptb"), 1, True),
    "text.snli": Reader({f"snli/snli_1.0_{s}.jsonl": lines(PAIRS)
                         for s in ("train", "dev", "test")}, DataSet("text.snli"), 1, True),
    "text.snli-table": Reader({f"snli/snli_1.0_{s}.txt": lines(TABLE)
                               for s in ("train", "dev", "test")}, DataSet("text.snli"), 1, True),
    "text.yahoo": Reader({f"yahoo/{s}.csv": lines(QUESTIONS) for s in ("train", "test")},
                         DataSet("text.yahoo"), 1, True),
    "text.yahoo-lines": Reader({f"yahoo/yahoo.{s}.txt": lines(LABELLED[i::3])
                                for i, s in enumerate(PARTS)}, DataSet("text.yahoo"), 1, True),
    "text.sst2": Reader({f"sst2/{s}.tsv": lines(["sentence\tlabel", *RATED[i::3]])
                         for i, s in enumerate(("train", "dev", "test"))},
                        DataSet("text.sst2", vocab_size=20), 1, True),
    "text.short_yelp": Reader(
        {f"short_yelp/short_yelp.{s}.txt": lines([f"{i % 2}\t{t}" for i, t in enumerate(part)])
         for s, part in (("train.10000", SENTENCES[:80]), ("valid", SENTENCES[80:100]),
                         ("test", SENTENCES[100:]))},
        DataSet("text.short_yelp", published_labels=20), 1, True),
    "text.yelp_shen": Reader(
        {f"yelp_shen2017/sentiment.{s}.{y}": lines(SENTENCES[i * 60 + y * 30 :][:30])
         for i, s in enumerate(("test", "dev")) for y in range(2)},
        DataSet("text.yelp_shen"), 1, True),
    "text.agnews": Reader(
        {"agnews/train10000_lower.tsv": lines(["sentence\tlabel", *NEWS]),
         "agnews/dev5000_from_train.jsonl": lines(TITLED), "agnews/test.csv": lines(ITEMS)},
        DataSet("text.agnews", valid_size=5), 1, True),
    "text.dailydialog": Reader(dialogues(), DataSet("text.dailydialog"), 1, True),
    "text.new": further(PLAIN, "new.txt", lines(SENTENCES[:20])),
    "text.new-table": further(IN_TABLE, "new.csv", lines(["kind,text", *(
        f"{KINDS[i % 3]},{s}" for i, s in enumerate(SENTENCES[:20]))])),
    "text.saved": saved(TAB),
    "text.saved-bag": saved(BAG),
    "text.saved-tokenizer": saved(BPE),
}  # fmt: skip
