"""Half precision where the processor supports it natively; where emulated, it is slower than full precision."""

from __future__ import annotations

from functools import cache

import torch


@cache
def is_bfloat16_fast() -> bool:
    """Whether this processor has instructions for bfloat16 (of x86: AVX-512 BF16, AMX)."""
    if not hasattr(torch.cpu, "get_capabilities"):  # torch before 2.12
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return any(there for name, there in torch.cpu.get_capabilities().items() if "bf16" in name)


def half_precision(wanted: bool = True) -> torch.autocast:
    """A context in which networks compute in bfloat16, if it is wanted and this processor gains by it.

    Examples
    --------
    >>> with half_precision(False):
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.float32
    """
    return torch.autocast("cpu", torch.bfloat16, enabled=wanted and is_bfloat16_fast())
