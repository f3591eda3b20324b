"""Saving and loading of models: names and options in JSON beside safetensors; no pickle."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelHubMixin, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_model, save_file
from torch import Tensor, nn

from lebm_core.control.heads import PropertyHeads
from lebm_core.control.prior import ControlledPrior
from lebm_core.errors import UsageError
from lebm_core.latent import build as _inference
from lebm_core.learning.options import InferenceOptions
from lebm_core.registry.registry import registry

if TYPE_CHECKING:
    from lebm_core.base.modules import Component
    from lebm_core.latent.decoder import Decoder
    from lebm_core.latent.encoder import Encoder
    from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["HubModel"]

CONFIG, WEIGHTS, FORMAT = "config.json", "model.safetensors", 1
KEY = "lebm"  # of the configuration: what else a hub writes there is not ours


class HubModel(ModelHubMixin, library_name="lebm", tags=["latent-energy-based-model"]):
    """`save_pretrained`, `from_pretrained` and `push_to_hub` of `LatentEBM`."""

    def _save_pretrained(self, save_directory: Path) -> None:
        model: LatentEBM = self  # type: ignore[assignment]
        if isinstance(model.prior, ControlledPrior):
            raise UsageError(
                "A controlled prior is not saved: save the model that it was made from, and give "
                "the controls when it is sampled."
            )
        parts = {
            "prior": _describe(model.prior, "priors"),
            "decoder": _describe(model.decoder, "decoders"),
            "encoder": None if model.encoder is None else _describe(model.encoder, "encoders"),
            "inference": asdict(_inference.options_of(model.inference)),
            "classes": list(model.classes),
            "heads": model.heads.options,
            "format": FORMAT,
        }
        save_file(_weights(model), str(save_directory / WEIGHTS))
        (save_directory / CONFIG).write_text(json.dumps({KEY: parts}, indent=2) + "\n")

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        model_id: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        map_location: str = "cpu",
        decoder: Decoder | None = None,
        encoder: Encoder | None = None,
    ) -> LatentEBM:
        """Reads a folder or a hub repository; the model is in evaluation mode.

        This stands in the mixin's place, which would pass the configuration on to `__init__`.

        Args:
            model_id: the folder or hub id.
            revision: branch, tag or commit on the hub.
            cache_dir: where downloads are kept.
            force_download: download again.
            local_files_only: use the cache alone.
            token: the hub's token.
            map_location: device.
            decoder: the decoder to fill where its class is not registered by a plugin.
            encoder: likewise.

        Raises:
            UsageError: where the folder or repository is not to be had or holds no model.
        """
        folder = Path(model_id)
        if not folder.is_dir():
            try:
                folder = Path(
                    snapshot_download(
                        str(model_id),
                        revision=revision,
                        cache_dir=cache_dir,
                        force_download=force_download,
                        local_files_only=local_files_only,
                        token=token,
                        allow_patterns=[CONFIG, WEIGHTS],
                    )
                )
            except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
                raise UsageError(
                    f'"{model_id}" is neither a folder with a model nor a hub id that can be '
                    f"reached ({type(error).__name__})."
                ) from error
        return _load(folder, map_location, decoder, encoder)


def _load(folder: Path, device: str, decoder: Decoder | None, encoder: Encoder | None) -> LatentEBM:
    from lebm_core.models.latent_ebm import LatentEBM

    config = folder / CONFIG
    try:
        parts = json.loads(config.read_text())[KEY]
        if parts["format"] != FORMAT:
            raise UsageError(f"{config} has format {parts['format']}; this version reads {FORMAT}.")
        model = LatentEBM(
            _rebuild(parts["prior"], "priors"),
            decoder or _rebuild(parts["decoder"], "decoders"),
            encoder or (_rebuild(parts["encoder"], "encoders") if parts["encoder"] else None),
            _inference.build_inference(InferenceOptions(**parts["inference"])),
        )
        model.classes = tuple(map(str, parts.get("classes", ())))
        model.heads = PropertyHeads(parts.get("heads"))
        model.cpu()  # load_model minds the one storage of an LSTM on a GPU as well
        load_model(model, str(folder / WEIGHTS))
    except FileNotFoundError as error:
        raise UsageError(f"{folder} holds no saved model: {error.filename} is missing.") from error
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise UsageError(f"{config} is not a model's configuration: {error}.") from error
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{folder / WEIGHTS} does not fit {config}: {reason}") from error
    return model.to(device).eval()


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """The state, each tensor by itself: a GPU keeps the weights of an LSTM in one storage.

    A tensor of two names is there once, as `safetensors.torch.load_model` wants it.
    """
    once = {name for part in (model.named_parameters(), model.named_buffers()) for name, _ in part}
    state = model.state_dict()
    return {name: state[name].cpu().contiguous() for name in state if name in once}


def _describe(part: Component, kind: str) -> dict[str, Any]:
    """The registered name of a part's class (None where no plugin registers it) and its options."""
    target = f"{type(part).__module__}:{type(part).__qualname__}"
    if kind == "priors":
        return {"name": type(part).__name__, "options": part.options}
    found = registry()
    names = [name for name in found.names(kind) if found.find(kind, name).target == target]
    if not names:  # whoever loads it must pass it: its options may be what JSON cannot hold
        return {"name": None, "class": target}
    return {"name": names[0], "class": target, "options": part.options}


def _rebuild(described: dict[str, Any], kind: str) -> Any:
    if kind == "priors":
        from lebm_core.baselines.mixture import MixturePrior
        from lebm_core.baselines.second_stage import SecondStagePrior
        from lebm_core.priors.coupled import CoupledPrior
        from lebm_core.priors.ebm import EBMPrior
        from lebm_core.priors.gaussian import GaussianPrior

        known = (CoupledPrior, EBMPrior, GaussianPrior, MixturePrior, SecondStagePrior)
        classes = {c.__name__: c for c in known}
        return classes[described["name"]](**described["options"])
    if described["name"] is None:
        part = kind.removesuffix("s")
        raise UsageError(
            f"The {part} {described['class']} is registered by no plugin: make it yourself and "
            f"pass it, from_pretrained(..., {part}=...)."
        )
    return registry().get(kind, described["name"])(**described["options"])
