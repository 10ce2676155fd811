"""Ops with indices, some out of range: eager's values, or its exception."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import jic

from .bits import same_bits


def put(x: Tensor, i: Tensor, s: Tensor) -> Tensor:
    x = x.clone()
    x[i] = s
    return x + 1


def wide(i: Tensor, s: Tensor) -> Tensor:
    return i[:, None].expand(-1, s.shape[1])


OPS: dict[str, Callable[..., Any]] = {
    "embedding": lambda x, i, s: F.embedding(i, x) * 2,
    "index_select": lambda x, i, s: x.index_select(0, i) + 1,
    "gather": lambda x, i, s: x.gather(0, wide(i, s)) + 1,
    "take_along_dim": lambda x, i, s: x.take_along_dim(wide(i, s), 0) + 1,
    "take": lambda x, i, s: x.take(i) + 1,
    "index": lambda x, i, s: x[i] + 1,
    "index both": lambda x, i, s: x[i, i.clamp(max=x.shape[1] - 1, min=-x.shape[1])] + 1,
    "setitem": put,
    "index_put": lambda x, i, s: x.index_put((i,), s) + 1,
    "index_add": lambda x, i, s: x.index_add(0, i, s) + 1,
    "index_copy": lambda x, i, s: x.index_copy(0, i, s) + 1,
    "index_fill": lambda x, i, s: x.index_fill(0, i, 2.0) + 1,
    "index_reduce": lambda x, i, s: x.index_reduce(0, i, s, "amax") + 1,
    "scatter": lambda x, i, s: x.scatter(0, wide(i, s), s) + 1,
    "scatter_add": lambda x, i, s: x.scatter_add(0, wide(i, s), s) + 1,
    "put": lambda x, i, s: x.put(i, s[:, 0]) + 1,
    "one_hot": lambda x, i, s: F.one_hot(i, x.shape[0]) + 1,
    "embedding_bag": lambda x, i, s: F.embedding_bag(i[None], x) + 1,
    "nll_loss": lambda x, i, s: F.nll_loss(s, i, reduction="none") + 1,
    "nll_loss ignoring": lambda x, i, s: F.nll_loss(s, i, ignore_index=-1, reduction="none") + 1,
    "cross_entropy": lambda x, i, s: F.cross_entropy(torch.cat([s, s], 1), i, reduction="none").isnan(),
    "multi_margin_loss": lambda x, i, s: F.multi_margin_loss(s, i).isnan(),
}


@pytest.mark.parametrize("name", OPS)
def test_random_indices(name: str) -> None:
    rng = random.Random(name)
    torch.manual_seed(len(name))
    rows = 5
    kinds = ([0, 4, 2], [0, -1, 3], [0, 5, 1], [-6, 0, 1], [2**40, 0, 1], [-100, 0, 1])
    for kind in kinds:
        dtype = rng.choice([torch.int32, torch.int64]) if name == "embedding" and max(kind) < 2**31 else torch.int64
        order = rng.sample(kind, 3)
        x, s = torch.randn(rows, 7), torch.randn(3, 7)
        if name in ("nll_loss", "nll_loss ignoring", "multi_margin_loss"):
            s = torch.randn(3, rows)
        same_bits(OPS[name], x, torch.tensor(order, dtype=dtype), s, compiled=name != "setitem")


def test_the_exception_is_eagers() -> None:
    table, index = torch.randn(5, 4), torch.tensor([[0, 9], [1, 1]])
    compiled = jic.compile(lambda x, i: x.gather(1, i), config=jic.JitConfig(enable_caching=False))
    assert torch.equal(compiled(table, index.clamp(max=3)), table.gather(1, index.clamp(max=3)))
    with pytest.raises(RuntimeError) as expected:
        table.gather(1, index)
    with pytest.raises(RuntimeError) as found:
        compiled(table, index)
    assert str(found.value) == str(expected.value)


def test_negative_indices_of_indexing_stay_in_one_kernel() -> None:
    x, i = torch.randn(6, 5), torch.tensor([-1, 0, -6])
    compiled = jic.compile(lambda x, i: torch.tanh(x[i]) * 2, config=jic.JitConfig(enable_caching=False))
    torch.testing.assert_close(compiled(x, i), torch.tanh(x[i]) * 2)
    assert [step["op"] for step in compiled.entries[-1].steps] == ["launch", "check"]
