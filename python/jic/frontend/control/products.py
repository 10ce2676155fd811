"""The matrix products of a loop's step: its forward saves them, so that its backward does not compute them again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from .regions import Construct

aten = torch.ops.aten

# The operand whose last dim is contracted.
_PRODUCTS: dict[Any, int] = {
    aten.mm.default: 0, aten.bmm.default: 0, aten.matmul.default: 0, aten.linear.default: 0,
    aten.addmm.default: 1, aten.baddbmm.default: 1,
}  # fmt: skip

# To save an element and read it again moves 8 bytes and more; a shorter sum of products is as quick.
_LEAST = 32

Products = Callable[[Any, tuple[Any, ...], dict[str, Any]], Tensor]
"""Evaluates a product: target, arguments, keyword arguments."""


def is_product(node: Node) -> bool:
    """True for a matrix product of floats that is worth saving."""
    if node.target not in _PRODUCTS:
        return False
    operand: Any = node.args[_PRODUCTS[node.target]]
    values = [node.meta.get("val"), operand.meta.get("val")]
    if not all(isinstance(v, Tensor) and v.is_floating_point() for v in values):
        return False
    return values[1].dim() > 0 and values[1].shape[-1] >= _LEAST


def products_of(body: Iterable[Node | Construct]) -> list[Tensor]:
    """What the products of a step look like, in order; those within inner constructs are not among them."""
    return [n.meta["val"] for n in body if isinstance(n, Node) and is_product(n)]


class Recorded:
    """Evaluates products, and keeps their values."""

    def __init__(self) -> None:
        self.values: list[Tensor] = []

    def __call__(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        self.values.append(target(*args, **kwargs))
        return self.values[-1]


class Replayed:
    """Takes the values of products from what was saved; autograd sees the products."""

    def __init__(self, values: Sequence[Tensor]) -> None:
        self.values = iter(values)

    def __call__(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        return _Known.apply(target, kwargs, next(self.values), *args)  # type: ignore[return-value]


class _Known(torch.autograd.Function):
    """A product whose value is known."""

    @staticmethod
    def forward(ctx: Any, target: Any, kwargs: dict[str, Any], value: Tensor, *args: Any) -> Tensor:  # type: ignore[override]
        ctx.call = target, kwargs, args
        return value.detach()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:  # type: ignore[override]
        target, kwargs, args = ctx.call
        needs = ctx.needs_input_grad[3:]
        with torch.enable_grad():
            leaves = [
                a.detach().requires_grad_(n) if isinstance(a, Tensor) else a for a, n in zip(args, needs, strict=True)
            ]
            product = target(*leaves, **kwargs)  # nothing uses its value: it goes with other dead code
            found = iter(torch.autograd.grad(product, [a for a, n in zip(leaves, needs, strict=True) if n], gradient))
        return None, None, None, *(next(found) if n else None for n in needs)
