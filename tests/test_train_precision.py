"""Half precision is used where it is wanted and the processor computes in it, and nowhere else."""

import pytest
import torch

from affekt.train import muon, precision


@pytest.mark.parametrize("known", [{"avx512_bf16": True, "amx_bf16": False}, {"amx_bf16": True}, {"bf16": True}])
@pytest.mark.parametrize("there", [True, False])
def test_what_a_processor_can_do_decides(known, there, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True} | (known if there else {}))
    precision.is_bfloat16_fast.cache_clear()
    try:
        for wanted in (True, False):
            with precision.half_precision(wanted):
                found = (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
            assert found == (torch.bfloat16 if wanted and there else torch.float32)
    finally:
        precision.is_bfloat16_fast.cache_clear()


def test_a_step_is_the_same_in_half_the_bits_but_for_their_rounding(monkeypatch):
    matrix, found = torch.randn(24, 60, generator=torch.Generator().manual_seed(1)), []
    for fast in (True, False):
        monkeypatch.setattr(muon, "is_bfloat16_fast", lambda fast=fast: fast)
        found.append(muon.orthogonal(matrix))
    assert found[0].dtype == found[1].dtype == torch.float32
    assert not torch.equal(*found)
    assert (found[0] - found[1]).norm() < 0.05 * found[1].norm()
