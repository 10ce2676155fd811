"""Rows whose last vector holds one element: a narrowed value must not be stored in the width that it had before."""

from __future__ import annotations

import pytest
import torch

import jic

WIDE = (torch.int32, torch.int64, torch.int16)


@pytest.mark.parametrize("narrow", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.bool])
@pytest.mark.parametrize("wide", WIDE)
@pytest.mark.parametrize("shape", [(17, 16), (33, 40), (9, 24), (5, 17), (65, 3)])
def test_transposed_rows(shape: tuple[int, int], wide: torch.dtype, narrow: torch.dtype) -> None:
    compiled = jic.compile(
        lambda x: x.abs().to(narrow).t().contiguous(), config=jic.JitConfig(enable_caching=False), strict=True
    )
    x = torch.randint(-100, 100, shape).to(wide)
    assert torch.equal(compiled(x), x.abs().to(narrow).t())
