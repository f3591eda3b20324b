"""Where bfloat16 is faster than float32."""

from __future__ import annotations

import functools

import torch

__all__ = ["half_is_faster", "recurrent_autocast"]


@functools.cache
def half_is_faster(device_type: str) -> bool:
    """Whether matrix products in bfloat16 beat float32 on this machine's CPU or GPU."""
    if device_type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device_type == "cpu":
        supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        return bool(supported())
    return False


def recurrent_autocast(device_type: str, half: bool) -> torch.autocast:
    """bfloat16 for a recurrent net, on a CPU alone: cuDNN's own would be float16 under autocast."""
    return torch.autocast(device_type, torch.bfloat16, enabled=half and device_type == "cpu")
