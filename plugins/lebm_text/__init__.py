"""Text for lebm: data sets, vocabularies, metrics and a decoder over `transformers` models.

Only names and import strings stand here: nothing heavy is imported until it is used.
"""

from __future__ import annotations

from lebm_core import Register, hookimpl

__all__ = [
    "lebm_register_adapters",
    "lebm_register_datasets",
    "lebm_register_decoders",
    "lebm_register_metrics",
]


@hookimpl
def lebm_register_datasets(register: Register) -> None:
    """Sentences: Penn Treebank, SNLI, Yahoo, CPython's own documentation, any file, any hub id;
    with classes: two sets of Yelp, SST-2, AG News, any file of `label TAB sentence`; DailyDialog,
    whose acts and emotions only a metric sees.
    """
    for name in ("ptb", "snli", "yahoo", "pydocs", "file", "hub"):
        register(f"text.{name}", f"lebm_text.data.sources:{name}")
    for name in ("short_yelp", "sst2", "agnews", "labelled"):
        register(f"text.{name}", f"lebm_text.data.labelled.sources:{name}")
    register("text.dailydialog", "lebm_text.data.labelled.dailydialog:dailydialog")
    register("text.yelp_shen", "lebm_text.data.labelled.yelp:yelp_shen")


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    """A causal language model of `transformers` with z as a prefix."""
    register("text.transformers", "lebm_text.networks.transformers:TransformersDecoder")


@hookimpl
def lebm_register_adapters(register: Register) -> None:
    """Texts for `LatentEBMClassifier`, as words in their order or as counts of words."""
    register("text.lstm", "lebm_text.data.adapters:TextAdapter")
    register("text.bag", "lebm_text.data.adapters:BagAdapter")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    """Metrics of a model of text."""
    register("text.likelihood", "lebm_text.metrics.likelihood:Likelihood")
    register("text.perplexity", "lebm_text.metrics.perplexity:Perplexity")
    register("text.reconstruction", "lebm_text.metrics.reconstruction:Reconstruction")
    register("text.diversity", "lebm_text.metrics.diversity:Diversity")
    register("text.latent", "lebm_text.metrics.latent:Latent")
    register("text.chain", "lebm_text.metrics.chain:ChainText")
    register("text.discovery", "lebm_text.metrics.classes.discovery:Discovery")
    register("text.control", "lebm_text.metrics.control:ControlledText")
