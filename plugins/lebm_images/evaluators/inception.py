"""Features of Inception v3, from a file of weights: the features that define FID.

Source: Heusel et al., NeurIPS 2017, arXiv 1706.08500; the network is torchmetrics'.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from lebm_core.base.files import sha256
from lebm_core.errors import MissingExtra, UsageError
from lebm_images.data.dataset import to_uint8

__all__ = ["Inception", "STANDARD"]

STANDARD = "6726825d"  # the SHA-256 of weights-inception-2015-12-05-6726825d.pth begins so


class Inception(nn.Module):
    """The 2,048 pooled features; `standard` is whether the weights are the usual ones of FID.

    Args:
        weights: a state dict of torch-fidelity's FeatureExtractorInceptionV3, by torch.save.

    Raises:
        UsageError: for a file that is missing, holds more than tensors, or does not fit.
        MissingExtra: where torchmetrics or torch-fidelity is not installed.
    """

    def __init__(self, weights: Path) -> None:
        super().__init__()
        try:
            from torchmetrics.image.fid import NoTrainInceptionV3
        except ImportError as error:
            raise MissingExtra("torchmetrics", "fid", "evaluation.inception") from error
        try:
            digest = sha256(weights)
            torch.load(weights, map_location="cpu", weights_only=True)  # tensors only
            self.net = NoTrainInceptionV3(
                "inception-v3-compat", ["2048"], str(weights), antialias=False
            )
        except FileNotFoundError:
            raise UsageError(f'evaluation.inception: there is no file "{weights}".') from None
        except ModuleNotFoundError as error:
            raise MissingExtra("torch-fidelity", "fid", "evaluation.inception") from error
        except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise UsageError(
                f"evaluation.inception: {weights} holds no weights of torch-fidelity's Inception "
                f"v3 ({reason})."
            ) from None
        self.standard = digest.startswith(STANDARD)

    def features(self, x: Tensor) -> Tensor:
        """Compute (B, 2048) of x (B, C, H, W) in [-1, 1]; grey is repeated as three colours."""
        pixels = torch.from_numpy(to_uint8(x)).permute(0, 3, 1, 2)
        pixels = pixels.expand(-1, 3, -1, -1).to(x.device)
        features: Tensor = self.net(pixels)
        return features
