"""Saving and loading of models: names and options in JSON beside safetensors; no pickle."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, Self

from huggingface_hub import ModelCard, ModelHubMixin, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_model, save_file
from torch import Tensor, nn

from lebm_core.base.files import read_json
from lebm_core.control.heads import PropertyHeads
from lebm_core.control.prior import ControlledPrior
from lebm_core.data.saved import DESCRIPTION, load_dataset, save_dataset
from lebm_core.errors import UsageError, shown
from lebm_core.latent.decoder import Decoder
from lebm_core.latent.encoder import Encoder
from lebm_core.latent.parts import LatentModel
from lebm_core.models.base import arguments_of
from lebm_core.models.card import CARD, Card, plain_card
from lebm_core.registry.parts import Part, describe, make

__all__ = ["PARTS", "HubModel"]

# The parts of a latent model, in the order of its constructor.
PARTS = {
    "prior": Part("priors", "ebm"),
    "decoder": Part("decoders", filled=("latent_dim",)),
    "encoder": Part("encoders", optional=True, filled=("latent_dim",)),
    "inference": Part("inference", "amortized", filled=("latent_dim",)),
}
CONFIG, WEIGHTS, FORMAT = "config.json", "model.safetensors", 2
KEY = "lebm"  # of the configuration: what else a hub writes there is not ours


class HubModel(ModelHubMixin, library_name="lebm", tags=["latent-energy-based-model"]):
    """`save_pretrained`, `from_pretrained` and `push_to_hub` of a model.

    Attributes:
        card: the model card that goes with it; None for one that says what its parts are.
    """

    card: Card | None = None

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """The README.md that is saved with the model."""
        return ModelCard((self.card or plain_card(self)).content)

    def _save_pretrained(self, save_directory: Path) -> None:
        model: LatentModel = self  # type: ignore[assignment]
        if isinstance(getattr(model, "prior", None), ControlledPrior):
            raise UsageError(
                "A controlled prior is not saved: save the model that it was made from, and give "
                "the controls when it is sampled."
            )
        config: dict[str, Any] = {}
        for name, mark in arguments_of(type(self)).items():
            part = getattr(model, name)
            config[name] = part if mark is None or part is None else describe(part, mark.kind)
        heads = getattr(model, "heads", PropertyHeads())  # not every family has any
        classes = list(getattr(model, "classes", ()))
        config |= {"classes": classes, "heads": heads.options, "format": FORMAT}
        save_file(_weights(model), str(save_directory / WEIGHTS))
        (save_directory / CONFIG).write_text(json.dumps({KEY: config}, indent=2) + "\n")
        if (data := getattr(model, "data", None)) is not None:
            save_dataset(data, save_directory)
        (self.card or plain_card(self)).write(save_directory)

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
    ) -> Self:
        """Reads a folder or a hub repository; the model is in evaluation mode.

        Where what the data were prepared by was saved with it, the model takes examples as they
        were before that: `model.data` says of what kind they are.

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
                        allow_patterns=[CONFIG, WEIGHTS, DESCRIPTION, "data/*", CARD, "*.png"],
                    )
                )
            except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
                raise UsageError(
                    f'"{model_id}" is neither a folder with a model nor a hub id that can be '
                    f"reached ({type(error).__name__})."
                ) from error
        found: Self = _load(cls, folder, map_location, decoder, encoder)
        found.card = Card.read(folder)
        if (folder / DESCRIPTION).is_file():
            try:
                found.data = load_dataset(folder)  # type: ignore[attr-defined]
            except UsageError as error:  # another plugin's: the model is whole without
                warnings.warn(f"The model takes no raw examples: {error}", stacklevel=2)
        return found


def _load(
    cls: type[Any], folder: Path, device: str, decoder: Decoder | None, encoder: Encoder | None
) -> Any:
    config = folder / CONFIG
    for file in (config, folder / WEIGHTS):
        if not file.is_file():
            raise UsageError(f"{folder} holds no saved model: {file} is missing.")
    described = read_json(config).get(KEY)
    if not isinstance(described, dict):
        raise UsageError(f"{config} is not a model's configuration: it has no table {KEY}.")
    if described.get("format") != FORMAT:
        raise UsageError(
            f"{config} has format {str(described.get('format'))[:80]}; this version reads {FORMAT}."
        )
    try:
        given = {"decoder": decoder, "encoder": encoder}
        model: Any = cls(
            **{
                name: given.get(name) or _rebuild(described, name, mark)
                for name, mark in arguments_of(cls).items()
            }
        )
        model.classes = tuple(map(str, described.get("classes", ())))
        model.heads = PropertyHeads(described.get("heads"))
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError,
            ValueError) as error:  # fmt: skip
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise UsageError(f"{config} is not a model's configuration: {reason}.") from error
    except UsageError as error:
        raise UsageError(f"{config}: {error}") from error
    try:
        model.cpu()  # load_model minds the one storage of an LSTM on a GPU as well
        load_model(model, str(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"{folder / WEIGHTS} does not fit {config}: {reason}") from error
    for name, weight in model.state_dict().items():
        if weight.is_floating_point() and not bool(weight.isfinite().all()):
            raise UsageError(f"{folder / WEIGHTS} is damaged: {name} holds no finite numbers.")
    try:
        return model.to(device).eval()
    except (AssertionError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"map_location = {shown(device)} is not possible: {reason}") from error


def _rebuild(described: dict[str, Any], name: str, mark: Part | None) -> Any:
    table = described[name]
    if table is None or mark is None:
        return table
    if not isinstance(table, dict):
        raise TypeError(f"{name} is no table")
    if table["name"] is None:
        raise UsageError(
            f"The {name} {table['class']} is registered by no plugin: make it yourself and pass "
            f"it, from_pretrained(..., {name}=...)."
        )
    return make(mark, table)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """The state, each tensor by itself: a GPU keeps the weights of an LSTM in one storage.

    A tensor of two names is there once, as `safetensors.torch.load_model` wants it.
    """
    once = {name for part in (model.named_parameters(), model.named_buffers()) for name, _ in part}
    state = model.state_dict()
    return {name: state[name].cpu().contiguous() for name in state if name in once}
