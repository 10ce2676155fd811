"""Capture: run a callable once on fake tensors and keep the graph of ATen ops it called.

Composites (`linear`, `layer_norm`, attention, …) stay whole. Weights are inputs: every tensor that the callable reaches
other than through its arguments becomes an input of the graph. Only torch is needed here.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)
from torch.fx import GraphModule
from torch.fx import traceback as fx_traceback
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.utils import _pytree as pytree

from ..errors import BudgetError, CaptureError
from . import fake_kernels, locations, randomness
from .checks import CONSTANTS, check_arguments, check_tensor, check_values, is_constant
from .control import effects, prune
from .control.context import DEFAULT_CALLS
from .control.errors import OverBudget, Unsupported
from .control.interpreter import Interpreter
from .control.region import storage_of
from .control.scalar import Scalar
from .fingerprint import fingerprint_of
from .grad_mode import GradMode
from .guards import Guard
from .metadata import show_views
from .mutation import Mutation, remove_mutations
from .numbers import Number, StateNumber, as_tensor, check_numbers
from .outputs import classify_outputs, make_dense
from .outside import outside_containers
from .reach import hints
from .reads import Reads, StateMoved, tensors_of
from .recording import Recorder
from .restoring import attributes_restored, forget_real_tensors
from .strided import use_real_strides
from .structure import Structure, containers_of, structure_of, tuple_of
from .traced import InputSource, OutputSource, Reason, Traced

_F = TypeVar("_F", bound=Callable[..., Any])
_MODULE_CALL = torch.nn.Module.__call__
ONE_AT_A_TIME = threading.RLock()  # held while a function is traced: torch's tracer patches torch for the whole process


class FunctionRaised(CaptureError):
    """The callable itself raised while it was traced: run it eagerly, and its own exception appears."""


def _alone(function: _F) -> _F:
    """`function`, run by one thread at a time: fake modes show in all threads."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with ONE_AT_A_TIME:
            return function(*args, **kwargs)

    return run  # type: ignore[return-value]


@_alone
@fake_kernels.corrected()
def trace(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
    numbers: Mapping[int, Number] | None = None,
    state: Sequence[StateNumber] = (),
    max_ops: int = DEFAULT_CALLS,
    on_effect: str = "replay",
) -> Traced:
    """Capture `fn(*args, **kwargs)`.

    Tensors in the pytrees `args` and `kwargs` are inputs, and so are the leaves that `numbers` names by their places, and
    the numbers `state` of the state around the call; other numbers, strings, None and the like are specialised constants.
    The callable runs once, on fake tensors and without gradients; the arguments are not changed. What it does to objects
    that outlive the call is taken back, and part of what is captured if `on_effect` is `replay`.

    Raises:
        BudgetError: it makes more than `max_ops` calls of torch, or takes longer than it may (see jic.budget).
        CaptureError: the call cannot be captured (control flow that depends on data, an argument or result of another
        kind,
            a mutation that cannot be expressed). Running eagerly is right.
        FunctionRaised: `fn` raises for these arguments, as far as can be told.
    """
    if torch.nn.Module.__call__ is not _MODULE_CALL:
        raise CaptureError("torch.nn.Module.__call__ is replaced, and torch's tracer calls what was there before")
    leaves, in_spec = pytree.tree_flatten((tuple(args), dict(kwargs or {})))
    check_arguments(leaves, locations.of_function(fn))
    call = _Call(fn, leaves, in_spec, numbers or {}, state)
    call.max_ops, call.on_effect = max_ops, on_effect
    try:
        graph, guards = _settled(call)
    except CaptureError as error:
        error.notes = call.notes
        with contextlib.suppress(StateMoved):
            error.guards = call.reads.finish()
        raise
    inputs, reasons = _inputs(call, guards)
    if numbers or state:
        if call.leaves_to_python:
            raise CaptureError("code that is not interpreted may look at a number that is an input")
        check_numbers(graph, lambda i: i < len(inputs) and inputs[i].number is not None)
    reasons += [Reason(*note) for note in call.notes]
    show_views(graph)
    outputs, geometry = classify_outputs(
        graph, call.result_leaves, call.numbers, call.inputs, certain=bool(numbers or state)
    )
    use_real_strides(graph)
    graph, mutations = remove_mutations(graph)
    geometry = make_dense(graph, geometry)
    _check_sizes_kept(graph, mutations)
    _normalise(graph, inputs, outputs, mutations)
    pairs = [(m.input, m.result) for m in mutations]
    key = fingerprint_of(graph, [(o.kind, o.index, o.size, o.stride, o.offset) for o in outputs], pairs)
    traced = Traced(graph, inputs, outputs, geometry, call.structure, pairs, guards, key, reasons, call.effects)
    fetched = {id(t) for t, guard, _ in tensors_of(guards) if guard.kind not in ("attribute", "call")}
    fixed = [t for i, t in call.touched.items() if i not in fetched]
    return replace(traced, unrolled=call.unrolled, fixed=fixed, bare=call.bare)


def _check_sizes_kept(graph: GraphModule, mutations: list[Mutation]) -> None:
    placeholders = [n for n in graph.graph.nodes if n.op == "placeholder"]
    results: Any = graph.graph.output_node().args[0]
    for m in mutations:
        if placeholders[m.input].meta["val"].shape != results[m.result].meta["val"].shape:
            raise CaptureError("an argument is resized", hint="give `out=` a tensor of the result's shape")


@_alone
@fake_kernels.corrected()
def traced_of(graph: GraphModule, names: list[str]) -> Traced:
    """A graph that was derived from a captured one, with an argument for each placeholder, ready to be compiled.

    Unused inputs go; `index` of the rest says which placeholder it was.

    Raises:
        CaptureError: it holds what cannot be compiled.
    """
    for node in graph.graph.nodes:
        node.meta.setdefault("location", "")
        check_values(node)
    use_real_strides(graph)
    graph, mutations = remove_mutations(graph)
    inputs = [InputSource("argument", name, index=i) for i, name in enumerate(names)]
    outputs = [OutputSource("result", i) for i in range(len(graph.graph.output_node().args[0]))]  # type: ignore[arg-type]
    if mutations:
        raise CaptureError("a derived graph writes to its inputs")
    _normalise(graph, inputs, outputs, [])
    key = fingerprint_of(graph, [(o.kind, o.index, o.size, o.stride, o.offset) for o in outputs], [])
    return Traced(graph, inputs, outputs, {}, tuple_of(len(outputs)), [], [], key)


class _Call:
    """The call as a function of its tensor leaves, which remembers the structure of the result."""

    def __init__(
        self,
        fn: Callable[..., Any],
        leaves: list[Any],
        in_spec: pytree.TreeSpec,
        numbers: Mapping[int, Number],
        state: Sequence[StateNumber],
    ) -> None:
        self.fn, self.leaves, self.in_spec, self.state = fn, leaves, in_spec, state
        self.names = hints(fn)  # tensors that it may use, with their names
        self.captured = [tensor for tensor, _ in self.names.values()]
        self.reads = Reads()
        self.unknown: list[torch.Tensor] = []
        self.touched: dict[int, torch.Tensor] = {}
        self.number_inputs = numbers
        self.positions = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor) or i in numbers]
        self.result_leaves: list[Any] = []
        self.structure: Structure = tuple_of(0)
        self.inputs: list[torch.Tensor] = []
        self.numbers: set[int] = set()  # the leaves of the result that are run-time numbers
        self.notes: list[tuple[str, str, str]] = []
        self.unrolled: list[Reason] = []
        self.effects: effects.Effects | None = None
        self.on_effect = "replay"
        self.max_ops = DEFAULT_CALLS
        self.leaves_to_python = self.bare = False
        self.failed_at = ""
        self.grad_mode = GradMode(enabled=False, needed=False)

    @property
    def given(self) -> list[torch.Tensor]:
        """The arguments' tensors and number inputs, then captured ones, then numbers of the state."""
        arguments = (as_tensor(self.leaves[i]) for i in self.positions)
        return [*arguments, *self.captured, *(as_tensor(n.value) for n in self.state)]

    @property
    def tensors(self) -> list[torch.Tensor]:
        """The inputs: arguments, then captured tensors; each an object of its own, by which the tracer tells them."""
        seen: set[int] = set()
        distinct = []
        for tensor in self.given:
            distinct.append(tensor.detach() if id(tensor) in seen else tensor)
            seen.add(id(tensor))
        return distinct

    def forward(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        leaves = list(self.leaves)
        count = len(self.positions)
        for i, tensor in zip(self.positions, tensors[:count], strict=True):
            leaves[i] = self.number_inputs[i].scalar(tensor) if i in self.number_inputs else tensor
        args, kwargs = pytree.tree_unflatten(leaves, self.in_spec)
        containers = {id(c): i for i, c in enumerate(containers_of(args, kwargs))}
        self.inputs = list(tensors)
        stand_ins = {id(real): fake for real, fake in zip(self.captured, tensors[count:], strict=False)}
        recorder = Recorder(_Call.forward.__code__, stand_ins, self.grad_mode)
        recorder.context.given(list(tensors), self.given)
        recorder.context.arguments = self.given[:count]
        recorder.context.on_effect = self.on_effect
        recorder.interpreter.gradients_needed = lambda: self.grad_mode.needed
        recorder.lasting.update(map(id, tensors))
        recorder.given.update(map(storage_of, tensors[:count]))
        recorder.context.max_calls = self.max_ops
        recorder.context.number_inputs = bool(self.number_inputs or self.state)
        for n, tensor in zip(self.state, tensors[len(tensors) - len(self.state) :], strict=True):
            recorder.context.outer.numbers[n.place] = n.number.scalar(tensor)
            recorder.context.outer.reads.numbers.add(n.place)
        try:
            with fx_traceback.preserve_node_meta(), recorder, self.grad_mode.seen(list(tensors)):
                result = self._call(recorder.interpreter, args, kwargs)
            self.structure, result_leaves = structure_of(
                result, containers, recorder.context.is_its_own, lambda: outside_containers(self.fn)
            )
            self.numbers = {i for i, leaf in enumerate(result_leaves) if isinstance(leaf, Scalar)}
            result_leaves = [leaf.tensor if isinstance(leaf, Scalar) else leaf for leaf in result_leaves]
            self.result_leaves = [recorder.result(leaf) for leaf in result_leaves]
            results = [leaf for leaf in self.result_leaves if isinstance(leaf, torch.Tensor)]
        except OverBudget as error:
            raise error.error from None
        except Unsupported as error:
            refused = CaptureError(error.message, hint=error.hint, location=error.location)
            refused.outermost, refused.effect = error.outermost, error.effect
            raise refused from None
        except Exception as error:
            self.failed_at = recorder.interpreter.failed_at
            raise error
        finally:
            self.unknown = list(recorder.unknown.values())
            self.touched = recorder.touched
            self.bare = recorder.context.bare
            self.notes = recorder.interpreter.notes
            self.unrolled = [
                Reason("loop", f"was unrolled, into {loop.calls} calls of torch: {loop.why}", loop.location)
                for loop in recorder.context.unrolling.long()
            ]
            self.leaves_to_python = recorder.interpreter.leaves_to_python
            recorder.context.journal.undo(0)
        if self.effects is not None and self.effects.leaks():
            raise CaptureError("something that only the trace knows is stored into what outlives the call")
        return results

    def _call(self, interpreter: Interpreter, args: Any, kwargs: Any) -> Any:
        """The result; with effects, the result and the values that they need."""
        self.reads = interpreter.context.outer.reads
        self.reads.overwritten = interpreter.context.journal.overwritten
        interpreter.context.outer.takes((args, kwargs))
        result = interpreter.run(self.fn, args, kwargs)
        self.effects, values = effects.of(interpreter.context, interpreter.result)
        if self.effects is None:
            return result
        return (None if self.effects.result is not None else result, *values)


def _settled(call: _Call) -> tuple[GraphModule, list[Guard]]:
    """The graph and the guards, which hold when this returns."""
    for last in (False, False, True):  # what is filled once, as a cache, is filled then
        graph = _run(call)
        try:
            return graph, call.reads.finish()
        except StateMoved:
            if last:
                raise
    raise AssertionError


def _run(call: _Call) -> GraphModule:
    """Trace; again, if the function used captured tensors that were not known before."""
    for _ in range(4):
        try:
            graph = _run_once(call)
        except BudgetError:
            raise
        except CaptureError:
            if not call.unknown:
                raise
        else:
            if not call.unknown:
                return graph
        call.captured += call.unknown
    raise CaptureError("the function uses other tensors each time it runs", hint="pass them as arguments")


def _run_once(call: _Call) -> GraphModule:
    for tensor in call.captured:
        check_tensor(tensor, "a captured tensor")
    call.grad_mode = GradMode(torch.is_grad_enabled(), any(t.requires_grad for t in call.given))
    tracer = make_fx(
        call.forward,
        tracing_mode="fake",
        pre_dispatch=True,
        _allow_non_fake_inputs=True,
        _disable_torch_fn_metadata_mode=True,
    )
    try:
        with torch.no_grad(), attributes_restored(call.fn), randomness.guarded():
            graph = tracer(*call.tensors)
    except CaptureError:
        raise
    except Exception as error:
        raise _explain(error, call.failed_at) from error
    forget_real_tensors(graph)
    for leaf in call.result_leaves:
        if not isinstance(leaf, (torch.Tensor, *CONSTANTS)):
            raise CaptureError(
                f"the result holds a {type(leaf).__module__}.{type(leaf).__qualname__}, expected tensors, numbers, "
                "strings, None, and lists, tuples and dicts of them",
            )
        if isinstance(leaf, torch.nn.Parameter) and not any(leaf is t for t in call.inputs):
            raise CaptureError("the result holds a Parameter that the function made")
        if isinstance(leaf, (torch.SymInt, torch.SymFloat, torch.SymBool)):
            raise CaptureError("the result holds a size that is only known at run time")
    for node in graph.graph.nodes:
        node.meta["location"] = node.meta.get("stack_trace", "")
        check_values(node)
        if node.op == "get_attr" and not is_constant(node):
            raise CaptureError(
                "a captured tensor reaches the graph past torch's functions", location=node.meta["location"]
            )
    return graph


def _explain(error: Exception, failed_at: str) -> CaptureError:
    where = locations.of_exception(error)
    if failed_at and where in ("", "<string>:1"):  # the latter is a wrapper of torch's tracer
        where = failed_at
    text = str(error).strip().partition("\n")[0]
    if isinstance(error, (DataDependentOutputException, GuardOnDataDependentSymNode)):
        return CaptureError(
            "a Python value is computed from a tensor's elements (bool(), int(), float(), .item(), .tolist() or an "
            "`if` on a tensor), which a graph cannot express",
            hint="use torch.where or masking in place of `if`, and keep numbers in tensors",
            location=where,
        )
    if isinstance(error, DynamicOutputShapeException):
        return CaptureError(f"{error.func} has a result whose shape depends on data", location=where)
    if isinstance(error, (UnsupportedFakeTensorException, UnsupportedOperatorException, NotImplementedError)):
        return CaptureError(f"cannot be traced: {text}", location=where)
    if "fake" in text.lower() or "proxy" in text.lower() or "data-dependent" in text.lower():
        return CaptureError(f"cannot be traced: {text}", location=where)
    return FunctionRaised(
        f"the function raises {type(error).__name__}: {text}",
        hint="if it does not outside a trace, keep to torch's functions: numpy() and the like need real tensors",
        location=where,
    )


def _inputs(call: _Call, guards: list[Guard]) -> tuple[list[InputSource], list[Reason]]:
    """The sources of all inputs, arguments first."""
    sources = [
        InputSource("argument", name, index=i, number=call.number_inputs.get(i))
        for name, i in zip(_leaf_names(call), call.positions, strict=True)
    ]
    homes: dict[int, tuple[Guard, Any]] = {}
    for tensor, guard, key in tensors_of(guards):
        if guard.kind not in ("attribute", "call"):
            homes.setdefault(id(tensor), (guard, key))
    for tensor in call.captured:
        guard, key = homes.get(id(tensor), (None, None))
        name = call.names[id(tensor)][1] if id(tensor) in call.names else f"captured{len(sources)}"
        sources.append(InputSource("captured", name, tensor=tensor, guard=guard, key=key))
    read = {(g.kind, id(g.container)): g for g in guards}
    for n in call.state:
        sources.append(InputSource("captured", str(n.key), guard=read.get(n.place[:2]), key=n.key, number=n.number))
    return sources, []


def _leaf_names(call: _Call) -> list[str]:
    paths, _ = pytree.tree_flatten_with_path(pytree.tree_unflatten(call.leaves, call.in_spec))
    names = [("args" if getattr(path[0], "idx", 0) == 0 else "kwargs") + pytree.keystr(path[1:]) for path, _ in paths]
    return [names[i] for i in call.positions]


def _normalise(
    graph: GraphModule, inputs: list[InputSource], outputs: list[OutputSource], mutations: list[Mutation]
) -> None:
    """Remove dead nodes, and placeholders that neither the graph nor an output nor a mutation needs."""
    prune.erase_dead(graph)
    needed = {i for o in outputs for i in o.inputs} | {m.input for m in mutations}
    renumbered: dict[int, int] = {}
    kept: list[InputSource] = []
    for i, node in enumerate([n for n in graph.graph.nodes if n.op == "placeholder"]):
        if node.users or i in needed:
            renumbered[i] = len(kept)
            kept.append(inputs[i])
        else:
            graph.graph.erase_node(node)
    inputs[:] = kept
    outputs[:] = [output.renumbered(renumbered) for output in outputs]
    for m in mutations:
        m.input = renumbered[m.input]
    graph.recompile()
