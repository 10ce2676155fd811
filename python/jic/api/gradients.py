"""Gradients through a compiled call: the forward runs compiled, the backward recomputes it eagerly and differentiates that.

Exact, with no saved intermediates. Calls that change their inputs or draw random numbers are not taken here; they run eagerly.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils import _pytree as pytree

from ..frontend import Traced
from ..runtime import Program


class _Recompute(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: Differentiable, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        ctx.call = call
        ctx.save_for_backward(*tensors)
        outputs = call.run(tensors)
        ctx.mark_non_differentiable(*[o for o in outputs if not o.is_floating_point()])
        return tuple(outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        return (None, *ctx.call.gradients(ctx.saved_tensors, ctx.needs_input_grad[1:], gradients))


class Differentiable:
    """Answers calls of one signature by its program, so that autograd can go through them."""

    def __init__(self, traced: Traced, program: Program) -> None:
        self.traced, self.program = traced, program

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves = pytree.tree_leaves((args, kwargs))
        tensors = [self._tensor(source, leaves) for source in self.traced.inputs]
        outputs = _Recompute.apply(self, *tensors)
        found = []
        for source in self.traced.outputs:
            if source.kind == "result":
                found.append(outputs[source.index].item() if source.number else outputs[source.index])
            elif source.kind == "constant":
                found.append(source.value)
            else:
                base = tensors[source.index]
                at = base.storage_offset() + source.offset
                found.append(base if source.kind == "input" else base.as_strided(source.size, source.stride, at))
        result = pytree.tree_unflatten(found, self.traced.out_spec)
        return result if self.traced.effects is None else self.traced.effects(result)

    @staticmethod
    def _tensor(source: Any, leaves: list[Any]) -> torch.Tensor:
        if source.kind == "argument":
            return leaves[source.index]
        if isinstance(source.container, dict):
            return source.container[source.key]
        return source.container.cell_contents if source.container is not None else source.tensor

    def run(self, tensors: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        return self.program.run([t.detach().contiguous() for t in tensors])

    def gradients(
        self, tensors: tuple[torch.Tensor, ...], needed: tuple[bool, ...], gradients: tuple[torch.Tensor | None, ...]
    ) -> list[torch.Tensor | None]:
        """Gradients of `tensors` by running the captured graph eagerly on them."""
        with torch.enable_grad():
            leaves = [t.detach().requires_grad_(n) for t, n in zip(tensors, needed, strict=True)]
            outputs = self.traced.graph_module(*leaves)
            pairs = [
                (o, g)
                for o, g in zip(outputs, gradients, strict=True)
                if g is not None and isinstance(o, torch.Tensor) and o.requires_grad
            ]
            wanted = [leaf for leaf, n in zip(leaves, needed, strict=True) if n]
            if not pairs or not wanted:
                return [None] * len(leaves)
            found = iter(torch.autograd.grad([o for o, _ in pairs], wanted, [g for _, g in pairs], allow_unused=True))
        return [next(found) if n else None for n in needed]


def can_differentiate(traced: Traced, program_steps: list[dict[str, Any]]) -> str:
    """Why gradients cannot be had by recomputation; empty if they can."""
    if traced.mutations:
        return "the call changes its inputs in place"
    random = ("dropout", "bernoulli", "rand", "normal", "uniform", "multinomial", "exponential")
    for step in program_steps:
        if step["op"] == "aten" and any(r in step["callee"] for r in random):
            return f"{step['callee']} draws random numbers, which a recomputation would draw anew"
    return ""
