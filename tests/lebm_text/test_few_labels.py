"""A few labels, from a user's file to the report."""

from __future__ import annotations

from lebm_core import run_recipe


def test_sentences_of_ones_own_are_learned_from_few_labels(tmp_path):
    """The whole way: file, training, evaluation with baselines on TF-IDF, samples."""
    lines = [f"{w}\tit was {w} food number {n}" for n in range(40) for w in ("bad", "good")]
    (tmp_path / "my.tsv").write_text("\n".join(lines * 3))
    few = [
        "data.name=text.labelled",
        "data.representation=bag",
        f"data.source={tmp_path / 'my.tsv'}",
        "data.valid_share=0.2",
        "data.test_share=0.2",
        "data.train_lines=0",
        "learning.symbols.labels=60",
        "encoder.hidden=[64]",
        "training.max_steps=100",
        "training.parts.encoder.lr=1e-2",
        "evaluation.baselines=[m2, logistic, self_training, spreading]",
    ]
    run = run_recipe("semi-yelp", "smoke", few, out=tmp_path / "run", log=lambda line: None)
    accuracy = {name: row["accuracy"].value for name, row in run.results.items()}
    assert accuracy["model"] > 0.7 and accuracy["logistic"] > 0.9  # of 48, by chance 0.5
    assert {"m2", "spreading", "self_training"} < set(accuracy)
    samples = (tmp_path / "run" / "samples.txt").read_text().splitlines()
    assert len(samples) == 20 and {"food"} < {word for s in samples for word in s.split()}
