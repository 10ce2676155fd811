"""Gradients through a compiled call: the forward runs compiled, the backward recomputes what it needs.

A graph without control flow is recomputed eagerly, and differentiated by autograd. One with loops has a compiled backward
of its own (frontend/control/backward.py); where that cannot be had, the graph runs step by step under autograd, which a
reason in the entry says. Exact, with no saved intermediates. Calls that change their inputs or draw random numbers are
not taken here; they run eagerly.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as pytree

from ..errors import JicError
from ..frontend import Reason, Traced
from ..frontend.control import backward, regions, structured
from ..frontend.control.dependence import differentiable_results
from ..frontend.trace import traced_of
from ..runtime import ArtifactCache, Program
from .build import build
from .config import JitConfig


class _Recompute(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: Differentiable, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        ctx.call = call
        ctx.save_for_backward(*tensors)
        outputs = call.run(tensors)
        differentiable = call.differentiable(ctx.needs_input_grad[1:])
        ctx.mark_non_differentiable(*[o for o, d in zip(outputs, differentiable, strict=True) if not d])
        return tuple(outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        return (None, *ctx.call.gradients(ctx.saved_tensors, ctx.needs_input_grad[1:], gradients))


@dataclass
class Backward:
    """A compiled backward for some needed inputs.

    Attributes:
        traced: its inputs' `index` counts the call's inputs and then the gradients of the floating-point results.
        present: for each input of the call if it has a gradient.
    """

    traced: Traced
    present: list[bool]
    program: Program

    def run(self, tensors: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor]) -> list[torch.Tensor | None]:
        given = [*tensors, *gradients]
        found = iter(self.program.run([given[s.index].detach().contiguous() for s in self.traced.inputs]))
        return [next(found) if p else None for p in self.present]


class Differentiable:
    """Answers calls of one signature by its program, so that autograd can go through them.

    Args:
        note: told why a backward is not compiled.
    """

    def __init__(
        self,
        traced: Traced,
        program: Program,
        config: JitConfig,
        cache: ArtifactCache | None,
        note: Callable[[Reason], None],
    ) -> None:
        self.traced, self.program, self.config, self.cache, self.note = traced, program, config, cache, note
        self.control_flow = regions.has_own(traced.graph_module)
        self._backwards: dict[tuple[bool, ...], Backward | None] = {}
        self._differentiable: dict[tuple[bool, ...], list[bool]] = {}
        self._lock = threading.Lock()

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

    def differentiable(self, needed: tuple[bool, ...]) -> list[bool]:
        """For each result of the program if it requires a gradient, as eager's does."""
        if needed not in self._differentiable:
            self._differentiable[needed] = differentiable_results(self.traced.graph_module, needed)
        return self._differentiable[needed]

    def run(self, tensors: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        return self.program.run([t.detach().contiguous() for t in tensors])

    def gradients(
        self, tensors: tuple[torch.Tensor, ...], needed: tuple[bool, ...], gradients: tuple[torch.Tensor | None, ...]
    ) -> list[torch.Tensor | None]:
        """Gradients of the `needed` ones of `tensors`, for those of the results."""
        if self.control_flow and (compiled := self._backward(needed)) is not None:
            results = [n.meta["val"] for n in self.traced.graph_module.graph.output_node().args[0]]  # type: ignore
            dense = [
                torch.zeros(r.shape, dtype=r.dtype) if g is None else g
                for r, g in zip(results, gradients, strict=True)
                if r.is_floating_point()
            ]
            return compiled.run(tensors, dense)
        return self._eager_gradients(tensors, needed, gradients)

    def prepare(self, needed: tuple[bool, ...]) -> None:
        """Find out now, where it may be so, that the backward cannot be compiled."""
        if self.control_flow and backward.why_not(self.traced.graph_module)[0]:
            self._graph(needed)

    def _backward(self, needed: tuple[bool, ...]) -> Backward | None:
        with self._lock:
            if needed not in self._backwards:
                self._backwards[needed] = self._compile(needed)
            return self._backwards[needed]

    def _graph(self, needed: tuple[bool, ...]) -> tuple[Traced, list[bool]] | None:
        try:
            graph, present = backward.backward_graph(self.traced.graph_module, needed, self.config.checkpoint_steps)
        except backward.NotDifferentiable as error:
            self._backwards[needed] = None
            why = f"its gradients are computed eagerly, step by step: {error}"
            self.note(Reason("backward", why, error.location))
            return None
        names = [s.name for s in self.traced.inputs]
        outputs = self.traced.graph_module.graph.output_node().args[0]
        names += [f"gradient{i}" for i, n in enumerate(outputs) if n.meta["val"].is_floating_point()]  # type: ignore
        return traced_of(graph, names), present

    def _compile(self, needed: tuple[bool, ...]) -> Backward | None:
        try:
            found = self._graph(needed)
            if found is None:
                return None
            traced, present = found
            artifact = build(traced, self.config, self.cache).artifact
            program = Program(artifact)
        except Exception as error:  # not the user's fault: the eager way is exact too
            message = f"[{error.code}] {error.message}" if isinstance(error, JicError) else f"internal error: {error!r}"
            self.note(Reason("backward", f"its gradients are computed eagerly, step by step: {message}"))
            warnings.warn(f"jic computes a backward eagerly: {message}", stacklevel=2)
            return None
        for step in artifact.manifest["steps"]:
            if step["op"] == "aten":
                self.note(Reason(step["callee"], f"in the backward: {step['reason']}", step["location"]))
        return Backward(traced, present, program)

    def _eager_gradients(
        self, tensors: tuple[torch.Tensor, ...], needed: tuple[bool, ...], gradients: tuple[torch.Tensor | None, ...]
    ) -> list[torch.Tensor | None]:
        """By running the captured graph on `tensors` under autograd."""
        with torch.enable_grad():
            leaves = [t.detach().requires_grad_(n) for t, n in zip(tensors, needed, strict=True)]
            graph = self.traced.graph_module
            outputs = structured.run(graph, leaves) if self.control_flow else graph(*leaves)
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
    for node in traced.graph_module.graph.nodes:
        if regions.draws_random_numbers(node):
            return f"{node.target} draws random numbers, which a recomputation would draw anew"
    random = ("dropout", "bernoulli", "rand", "normal", "uniform", "multinomial", "exponential")
    for step in program_steps:
        if step["op"] == "aten" and any(r in step["callee"] for r in random):
            return f"{step['callee']} draws random numbers, which a recomputation would draw anew"
    return ""
