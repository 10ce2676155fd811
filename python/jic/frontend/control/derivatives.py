"""Derivatives of loops, branches and run-time slices, as autograd functions that record what they do.

They work for a `Differentiator`, which runs bodies of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .markers import ops
from .products import Recorded, Replayed

if TYPE_CHECKING:
    from .backward import Differentiator

Body = Callable[[Tensor, Sequence[Tensor], Sequence[Tensor]], Sequence[Tensor]]
Branch = Callable[[Sequence[Tensor]], list[Tensor | None]]


class Slice:
    """A slice of a leaf, taken at a run-time place: a leaf itself."""

    def __init__(self, part: Tensor, index: Tensor, dim: int, size: int) -> None:
        self.part, self.index, self.dim, self.size = part, index, dim, size

    def add_to(self, total: Tensor, gradient: Tensor) -> Tensor:
        before = ops.dynamic_slice(total, self.index, self.dim, self.size)
        return ops.dynamic_update(total, before + gradient, self.index, self.dim)


class LoopDerivative(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        runner: Differentiator,
        steps: int,
        count: int,
        body: Body,
        products: Sequence[Tensor],
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        inits, captured = tensors[:count], tensors[count:]

        def step(index: Tensor, carried: Sequence[Tensor]) -> list[Tensor]:
            made = Recorded()
            with runner.using(made if products else None):
                following = body(index, carried[:count], captured)
            saved = [
                ops.dynamic_update(buffer, value.unsqueeze(0), index, 0)
                for buffer, value in zip(carried[count:], [*carried[:count], *made.values], strict=True)
            ]
            return [*following, *saved]

        buffers = [torch.zeros([steps, *t.shape], dtype=t.dtype, device=t.device) for t in (*inits, *products)]
        results = recorded_loop(scalar(steps), [*inits, *buffers], step)
        ctx.call = runner, steps, body
        ctx.saved, ctx.products, ctx.captured = results[count : 2 * count], results[2 * count :], captured
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*[r for r in results[:count] if not r.is_floating_point()])
        return tuple(results[:count])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:  # type: ignore[override]
        runner, steps, body = ctx.call
        saved, products, captured = ctx.saved, ctx.products, ctx.captured
        floats = [k for k, buffer in enumerate(saved) if buffer.is_floating_point()]
        wanted = [k for k, needs in enumerate(ctx.needs_input_grad[5 + len(saved) :]) if needs]
        inits = [
            torch.zeros(saved[k].shape[1:], dtype=saved[k].dtype) if gradients[k] is None else gradients[k]
            for k in floats
        ]

        def step(number: Tensor, carried: Sequence[Tensor]) -> list[Tensor]:
            index = steps - 1 - number
            state = [ops.dynamic_slice(b, index, 0, 1).squeeze(0) for b in saved]
            state = [new_leaf(s, k in floats) for k, s in enumerate(state)]
            inputs = [new_leaf(c, k in wanted) for k, c in enumerate(captured)]
            made = [ops.dynamic_slice(b, index, 0, 1).squeeze(0) for b in products]

            def run() -> list[Tensor]:
                with runner.using(Replayed(made) if made else None):
                    following = body(index, state, inputs)
                return [following[k] for k in floats]

            leaves = [*(state[k] for k in floats), *(inputs[k] for k in wanted)]
            whole, parts = runner.derivative(run, leaves, carried[: len(floats)])
            # The gradient of a carried value starts anew at each step, that of a captured one grows.
            totals = [*(_zeros(state[k]) for k in floats), *carried[len(floats) :]]
            for i, (total, gradient) in enumerate(zip(totals, whole, strict=True)):
                if gradient is not None:
                    totals[i] = gradient if i < len(floats) else total + gradient
                for piece, piece_gradient in parts[i]:
                    totals[i] = piece.add_to(totals[i], piece_gradient)
            return totals

        results = recorded_loop(scalar(steps), [*inits, *(_zeros(captured[k]) for k in wanted)], step)
        of_inits = dict(zip(floats, results, strict=False))
        of_captured = dict(zip(wanted, results[len(floats) :], strict=True))
        return (
            *(None,) * 5,
            *(of_inits.get(k) for k in range(len(saved))),
            *(of_captured.get(k) for k in range(len(captured))),
        )


class IfDerivative(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, runner: Differentiator, condition: Tensor, then: Branch, otherwise: Branch, *captured: Tensor
    ) -> tuple[Tensor, ...]:
        results = recorded_if(condition, lambda: then(captured), lambda: otherwise(captured))
        ctx.call, ctx.captured = (runner, condition, then, otherwise), captured
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*[r for r in results if not r.is_floating_point()])
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:  # type: ignore[override]
        runner, condition, *branches = ctx.call
        captured = ctx.captured
        wanted = [k for k, needs in enumerate(ctx.needs_input_grad[4:]) if needs]

        def branch(run: Branch) -> list[Tensor | None]:
            inputs = [new_leaf(c, k in wanted) for k, c in enumerate(captured)]
            leaves = [inputs[k] for k in wanted]
            whole, parts = runner.derivative(lambda: run(inputs), leaves, gradients)
            totals: list[Tensor | None] = [_zeros(t) if g is None else g for t, g in zip(leaves, whole, strict=True)]
            for i, pieces in enumerate(parts):
                for piece, gradient in pieces:
                    totals[i] = piece.add_to(totals[i], gradient)
            return totals

        found = dict(zip(wanted, recorded_if(condition, *[lambda b=b: branch(b) for b in branches]), strict=True))
        return *(None,) * 4, *(found.get(k) for k in range(len(captured)))


class SliceDerivative(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor, dim: int, size: int) -> Tensor:  # type: ignore[override]
        ctx.call = x, index, dim
        return ops.dynamic_slice(x, index, dim, size)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:  # type: ignore[override]
        x, index, dim = ctx.call
        return ops.dynamic_update(_zeros(x), gradient, index, dim), None, None, None


class UpdateDerivative(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, update: Tensor, index: Tensor, dim: int) -> Tensor:  # type: ignore[override]
        ctx.call = update, index, dim
        return ops.dynamic_update(x, update, index, dim)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:  # type: ignore[override]
        update, index, dim = ctx.call
        rest = ops.dynamic_update(gradient, _zeros(update), index, dim)
        return rest, ops.dynamic_slice(gradient, index, dim, update.shape[dim]), None, None


def recorded_loop(
    count: Tensor, inits: Sequence[Tensor], body: Callable[[Tensor, Sequence[Tensor]], Sequence[Tensor]]
) -> list[Tensor]:
    index, *carried = ops.loop_begin(count, list(inits))
    return ops.loop_end(list(body(index, carried)))


def recorded_if(
    condition: Tensor, then: Callable[[], list[Tensor | None]], otherwise: Callable[[], list[Tensor | None]]
) -> list[Tensor]:
    ops.if_begin(condition)
    first = then()
    ops.if_else(first)
    return ops.if_end(otherwise(), first)


def gradients_of(
    outputs: Sequence[Tensor | None], gradients: Sequence[Tensor | None], leaves: Sequence[Tensor]
) -> list[Tensor | None]:
    """`torch.autograd.grad`, for outputs some of which have no gradient or depend on no leaf."""
    pairs = [
        (o, g) for o, g in zip(outputs, gradients, strict=True) if o is not None and g is not None and o.requires_grad
    ]
    if not pairs or not leaves:
        return [None] * len(leaves)
    return list(torch.autograd.grad([o for o, _ in pairs], leaves, [g for _, g in pairs], allow_unused=True))


def differentiates(tensors: Sequence[Tensor]) -> bool:
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)


def new_leaf(tensor: Tensor, needs_gradient: bool) -> Tensor:
    return tensor.detach().requires_grad_(needs_gradient)


def _zeros(like: Tensor) -> Tensor:
    return torch.zeros(like.shape, dtype=like.dtype, device=like.device)


def scalar(value: int) -> Tensor:
    return torch.full((), value, dtype=torch.int64)
