"""Dtypes that eager refuses raise eager's error, and what it takes still compiles."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

import jic

N, X = torch.arange(12).reshape(3, 4), torch.rand(3, 4)
B, D = X > 0.5, X.double()

REFUSED: dict[str, tuple[Callable[..., object], tuple[torch.Tensor, ...]]] = {
    "gelu of integers": (F.gelu, (N,)),
    "silu of bools": (F.silu, (B,)),
    "softmax of integers": (lambda x: x.softmax(-1), (N,)),
    "linear of two dtypes": (F.linear, (N, X)),
    "product of float and double": (lambda a, b: a @ b.t(), (X, D)),
    "layer norm with weights in double": (lambda x, w: F.layer_norm(x, (4,), w), (X, D[0])),
    "bool minus bool": (lambda a, b: a - b, (B, ~B)),
    "number minus bool": (lambda a: 1 - a, (B,)),
    "relu of bools": (torch.relu, (B,)),
    "lerp of integers": (lambda a, b: torch.lerp(a, b, 0.5), (N, N + 3)),
    "argmax of bools": (lambda a: a.argmax(), (B,)),
    "index_add of another dtype": (lambda a, b: a.index_add(0, torch.tensor([0, 1, 2]), b), (X, D)),
    "std of integers": (lambda a: a.std(), (N,)),
    "in place": (lambda a: a.clone().frac_(), (N,)),
    "not taken": (lambda a, n: F.gelu(a) if n.sum() > 0 else a + 1, (N, torch.ones(1))),
}
TAKEN: dict[str, tuple[Callable[..., object], tuple[torch.Tensor, ...]]] = {
    "integers": (lambda a, b: (a * b + 1) // 3, (N, N + 2)),
    "mixed": (lambda a, b: a + b * 2, (N, D)),
    "bools": (lambda a, b: (a & b) | ~a, (B, ~B)),
    "embedding": (lambda i, w: F.embedding(i % 3, w), (N, X)),
    "bfloat16": (lambda x: F.gelu(x.bfloat16() @ x.bfloat16().t()), (X,)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_raises_as_eager_does(name: str) -> None:
    function, args = REFUSED[name]
    with pytest.raises(Exception) as eager:
        function(*args)
    with warnings.catch_warnings(), pytest.raises(type(eager.value)) as compiled:
        warnings.simplefilter("ignore")
        jic.compile(function)(*args)
    assert str(compiled.value) == str(eager.value)


def test_an_error_of_a_branch_that_is_not_taken_is_not_raised() -> None:
    function = REFUSED["not taken"][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert torch.equal(jic.compile(function)(N, -torch.ones(1)), N + 1)


@pytest.mark.parametrize("name", TAKEN)
def test_compiles(name: str) -> None:
    function, args = TAKEN[name]
    torch.testing.assert_close(jic.compile(function, strict=True)(*args), function(*args))
