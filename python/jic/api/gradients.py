"""Gradients through a compiled call.

A graph without control flow is recomputed eagerly, and differentiated by autograd; nothing is saved but the inputs. One
with loops has a compiled backward of its own (frontend/control/backward.py), and from the first backward on a forward that
saves what that one reads (frontend/control/partition.py); where they cannot be had, the graph runs step by step under
autograd, which a reason in the entry says. Calls that change their inputs or draw random numbers are not taken here; they
run eagerly.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import GraphModule
from torch.utils import _pytree as pytree

from .. import budget
from ..errors import JicError, UserPassError
from ..frontend import Reason, Traced
from ..frontend.control import backward, regions, structured
from ..frontend.control.dependence import differentiable_results
from ..frontend.control.partition import partition
from ..frontend.control.random_calls import draws_random_numbers
from ..frontend.numbers import as_tensor
from ..frontend.trace import ONE_AT_A_TIME, traced_of
from ..runtime import ArtifactCache, Program
from .build import build
from .config import JitConfig
from .dynamo import opaque
from .results import result_of


class _Call(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: Differentiable, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        ctx.call = call
        ctx.set_materialize_grads(False)  # a weight of a result that nobody uses gets no gradient, rather than zeros
        outputs, saved = call.run(tensors, ctx.needs_input_grad[1:])
        ctx.inputs, ctx.has_saved = len(tensors), saved is not None
        ctx.save_for_backward(*tensors, *(saved or ()))
        differentiable = call.differentiable(ctx.needs_input_grad[1:])
        ctx.mark_non_differentiable(*[o for o, d in zip(outputs, differentiable, strict=True) if not d])
        return tuple(outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    @opaque
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        tensors, saved = ctx.saved_tensors[: ctx.inputs], ctx.saved_tensors[ctx.inputs :]
        needed = ctx.needs_input_grad[1:]
        return (None, *ctx.call.gradients(tensors, saved if ctx.has_saved else None, needed, gradients))


@dataclass
class _Compiled:
    """A derived graph and its program; inputs' `index` counts all that it may be given."""

    traced: Traced
    program: Program

    def run(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        found = self.program.run([tensors[s.index].detach().contiguous() for s in self.traced.inputs])
        return [found[o.index] for o in self.traced.outputs]


@dataclass
class Pair:
    """A compiled forward and backward for some needed inputs.

    Attributes:
        forward: inputs -> the call's results, then what it saves.
        backward: inputs, gradients of the floating-point results, saved values -> gradients.
        results: the number of the call's results.
        present: for each input of the call if it has a gradient.
    """

    forward: _Compiled
    backward: _Compiled
    results: int
    present: list[bool]

    def run_forward(self, tensors: Sequence[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        found = self.forward.run(tensors)
        results, saved = found[: self.results], found[self.results :]
        # A result is the caller's, to write to as well.
        mine = {r.data_ptr() for r in results}
        return results, [s.clone() if s.data_ptr() in mine else s for s in saved]

    def run_backward(
        self, tensors: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor], saved: Sequence[torch.Tensor]
    ) -> list[torch.Tensor | None]:
        found = iter(self.backward.run([*tensors, *gradients, *saved]))
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
        self._pairs: dict[tuple[bool, ...], Pair | None] = {}
        self._differentiable: dict[tuple[bool, ...], list[bool]] = {}
        self._lock = threading.Lock()

    @opaque
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves = pytree.tree_leaves((args, kwargs))
        tensors = [self._tensor(source, leaves) for source in self.traced.inputs]
        return result_of(self.traced, _Call.apply(self, *tensors), tensors, args, kwargs)

    @staticmethod
    def _tensor(source: Any, leaves: list[Any]) -> torch.Tensor:
        return as_tensor(source.fetch(leaves))

    def differentiable(self, needed: tuple[bool, ...]) -> list[bool]:
        """For each result of the program if it requires a gradient, as eager's does."""
        if needed not in self._differentiable:
            self._differentiable[needed] = differentiable_results(self.traced.graph_module, needed)
        return self._differentiable[needed]

    def run(
        self, tensors: tuple[torch.Tensor, ...], needed: tuple[bool, ...]
    ) -> tuple[list[torch.Tensor], list[torch.Tensor] | None]:
        """The results, and what the backward for `needed` wants saved, if it has been asked for before."""
        pair = self._pairs.get(needed)
        if pair is not None:
            return pair.run_forward(tensors)
        return self.program.run([t.detach().contiguous() for t in tensors]), None

    def gradients(
        self,
        tensors: tuple[torch.Tensor, ...],
        saved: Sequence[torch.Tensor] | None,
        needed: tuple[bool, ...],
        gradients: tuple[torch.Tensor | None, ...],
    ) -> list[torch.Tensor | None]:
        """Gradients of the `needed` ones of `tensors`, for those of the results."""
        if self.control_flow and (pair := self._pair(needed)) is not None:
            results = [n.meta["val"] for n in self.traced.graph_module.graph.output_node().args[0]]  # type: ignore
            dense = [
                torch.zeros(r.shape, dtype=r.dtype) if g is None else g
                for r, g in zip(results, gradients, strict=True)
                if r.is_floating_point()
            ]
            return pair.run_backward(tensors, dense, pair.run_forward(tensors)[1] if saved is None else saved)
        return self._eager_gradients(tensors, needed, gradients)

    def prepare(self, needed: tuple[bool, ...]) -> None:
        """Find out now, where it may be so, that the backward cannot be compiled."""
        if self.control_flow and backward.why_not(self.traced.graph_module)[0]:
            with ONE_AT_A_TIME:
                self._joint(needed)

    def _pair(self, needed: tuple[bool, ...]) -> Pair | None:
        if needed not in self._pairs:
            with ONE_AT_A_TIME, self._lock:
                if needed not in self._pairs:
                    self._pairs[needed] = self._compile(needed)
        return self._pairs[needed]

    def _joint(self, needed: tuple[bool, ...]) -> tuple[GraphModule, list[bool]] | None:
        try:
            return backward.backward_graph(self.traced.graph_module, needed, self.config.checkpoint_steps, joint=True)
        except backward.NotDifferentiable as error:
            self._pairs[needed] = None
            why = f"its gradients are computed eagerly, step by step: {error}"
            self.note(Reason("backward", why, error.location))
            return None

    def _compile(self, needed: tuple[bool, ...]) -> Pair | None:
        try:
            with budget.limited(self.config.max_compile_seconds):
                return self._compiled(needed)
        except UserPassError:
            raise
        except Exception as error:  # not the user's fault: the eager way is exact too
            message = f"[{error.code}] {error.message}" if isinstance(error, JicError) else f"internal error: {error!r}"
            self.note(Reason("backward", f"its gradients are computed eagerly, step by step: {message}"))
            warnings.warn(f"jic computes a backward eagerly: {message}", stacklevel=2)
            return None

    def _compiled(self, needed: tuple[bool, ...]) -> Pair | None:
        found = self._joint(needed)
        if found is None:
            return None
        joint, present = found
        inputs = [s.name for s in self.traced.inputs]
        results = [n.meta["val"] for n in self.traced.graph_module.graph.output_node().args[0]]  # type: ignore
        given = [f"gradient{i}" for i, r in enumerate(results) if r.is_floating_point()]
        parts = partition(joint, len(inputs), sum(present))
        forward = self._program(parts.forward, inputs, "in the forward that saves for the backward")
        saved = [f"saved{i}" for i in range(parts.saved)]
        return Pair(
            forward,
            self._program(parts.backward, [*inputs, *given, *saved], "in the backward"),
            len(results),
            present,
        )

    def _program(self, graph: GraphModule, names: list[str], where: str) -> _Compiled:
        traced = traced_of(graph, names)
        artifact = build(traced, self.config, self.cache).artifact
        for step in artifact.manifest["steps"]:
            if step["op"] == "aten":
                self.note(Reason(step["callee"], f"{where}: {step['reason']}", step["location"]))
        return _Compiled(traced, Program(artifact))

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


def can_differentiate(traced: Traced) -> str:
    """Why gradients cannot be had by recomputation; empty if they can."""
    if traced.mutations:
        return "the call changes its inputs in place"
    for node in traced.graph_module.graph.nodes:
        if draws_random_numbers(node):
            return f"{node.target} draws random numbers, which a recomputation would draw anew"
    return ""
