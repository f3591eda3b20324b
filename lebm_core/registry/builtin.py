"""The parts that lebm itself registers, through the hooks that every plugin uses."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from lebm_core.registry.hookspecs import Register, hookimpl

__all__: list[str] = []


@hookimpl
def lebm_register_models(register: Register) -> None:
    register("latent-ebm", "lebm_core.models.latent_ebm:LatentEBM")
    register("ebm", "lebm_core.models.ebm:EBM", "in data space")


@hookimpl
def lebm_register_priors(register: Register) -> None:
    register("gaussian", "lebm_core.priors.gaussian:GaussianPrior", "f = 0")
    register("ebm", "lebm_core.priors.ebm:EBMPrior")
    register("coupled", "lebm_core.priors.coupled:CoupledPrior")
    register("mixture", "lebm_core.baselines.mixture:MixturePrior")
    register("second-stage", "lebm_core.baselines.second_stage:SecondStagePrior")


@hookimpl
def lebm_register_energies(register: Register) -> None:
    register("mlp", "lebm_core.priors.mlp:MLP")
    register("kernels", "lebm_core.priors.kernels:Kernels")


@hookimpl
def lebm_register_samplers(register: Register) -> None:
    register("langevin", "lebm_core.chains.samplers:Langevin")
    register("mala", "lebm_core.chains.samplers:MALA")
    register("hmc", "lebm_core.chains.hmc:HMC")
    register("tempering", "lebm_core.chains.tempering:Tempering")
    register("resampling", "lebm_core.chains.resampling:Resampling")


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    register("sequence", "lebm_core.sequences.decoder:SequenceDecoder")
    register("sequence.ladder", "lebm_core.sequences.ladder:SequenceLadderDecoder")


@hookimpl
def lebm_register_encoders(register: Register) -> None:
    register("sequence", "lebm_core.sequences.encoder:SequenceEncoder")
    register("sequence.counts", "lebm_core.sequences.counts:TokenCountEncoder")
    register("sequence.ladder", "lebm_core.sequences.ladder:SequenceLadderEncoder")


@hookimpl
def lebm_register_inference(register: Register) -> None:
    register("short-run", "lebm_core.latent.chains:ShortRun")
    register("persistent", "lebm_core.latent.chains:Persistent")
    register("amortized", "lebm_core.latent.amortized:Amortized")
    register("amortized-refined", "lebm_core.latent.amortized:AmortizedRefined")


@hookimpl
def lebm_register_learning_rules(register: Register) -> None:
    register("two-part", "lebm_core.learning.two_part:TwoPart")
    register("data-space", "lebm_core.learning.data_space:DataSpace", 'of the model "ebm"')
    register("decoder.variational", "lebm_core.learning.variational:Variational")
    register("decoder.mcmc", "lebm_core.learning.mcmc:MCMC")
    register("decoder.autoencoder", "lebm_core.baselines.autoencoder:Autoencoder")
    register("prior.density-ratio", "lebm_core.learning.density_ratio:DensityRatio")
    register(
        "prior.adaptive-density-ratio", "lebm_core.learning.density_ratio:AdaptiveDensityRatio"
    )
    register("prior.short-run", "lebm_core.learning.contrastive:ShortRunChains")
    register("prior.persistent", "lebm_core.learning.contrastive:PersistentChains")
    register("prior.none", "lebm_core.baselines.no_tilt:NoTilt")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    register("labels.accuracy", "lebm_core.evaluation.accuracy:accuracy")
    register("likelihood", "lebm_core.evaluation.likelihood:likelihood")
    register("chain", "lebm_core.evaluation.chain:chain", "part of every run")
    register("prior-codes", "lebm_core.evaluation.two_sample:prior_codes")


@hookimpl
def lebm_register_baselines(register: Register) -> None:
    classifiers = "lebm_core.baselines.classifiers"
    register("logistic", f"{classifiers}:logistic", "logistic regression on x, labels alone")
    register("self_training", f"{classifiers}:self_training", "self-training on x")
    register("spreading", f"{classifiers}:spreading", "label spreading on x")


@hookimpl
def lebm_register_controls(register: Register) -> None:
    register("y", "lebm_core.control.syntax:class_control", "the class")


@hookimpl
def lebm_register_commands(register: Register) -> None:
    cli = "lebm_core.run.cli"
    register("recipe", f"{cli}.recipes:recipe", "Run a recipe; without NAME, list the recipes.")
    register("sweep", f"{cli}.sweeps:sweep", "Run a recipe at every combination of options.")
    register("sample", f"{cli}.commands:sampling", "Draw samples from a run, any or as asked.")
    register("predict", f"{cli}.answers:predict", "Tell the class of each example of a file.")
    register("encode", f"{cli}.answers:encode", "Tell the latent code of each example of a file.")
    register("score", f"{cli}.answers:score", "Tell how unusual each example of a file is.")
    register("complete", f"{cli}.answers:complete", "Fill in missing values, or go on from there.")
    register("evaluate", f"{cli}.commands:evaluate", "Measure a run by its recipe's metrics.")
    register("report", f"{cli}.commands:report", "Write report.html of runs, or a table of them.")
    register("data", f"{cli}.commands:data", "List the data sets, and where each is to be had.")
    register("plugins", f"{cli}.plugins:plugins_app", "List the plugins; new NAME writes one.")


@hookimpl
def lebm_register_recipes(register: Register) -> None:
    spec = find_spec("lebm_recipes")
    if spec is not None and spec.origin is not None:
        for file in sorted(Path(spec.origin).parent.glob("*.toml")):
            register(file.stem, f"lebm_recipes:{file.name}")
