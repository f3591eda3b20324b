"""Where bfloat16 is faster than float32."""

from __future__ import annotations

import functools

import torch

__all__ = ["half_is_faster"]


@functools.cache
def half_is_faster(device_type: str) -> bool:
    """Whether matrix products in bfloat16 beat float32 on this machine's CPU or GPU."""
    if device_type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device_type == "cpu":
        supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        return bool(supported())
    return False
