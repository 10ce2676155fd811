"""`CompiledFunction`: a callable that compiles itself for each new kind of call."""

from __future__ import annotations

import threading
import time
import types
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from .. import budget
from ..errors import BudgetError, CaptureError, FallbackError, JicError, UserPassError
from ..frontend import Number, Reason, StateNumber, Traced, number_leaves, trace
from ..frontend.trace import ONE_AT_A_TIME, FunctionRaised
from ..runtime import ArtifactCache, Bailout, Dispatcher, Program
from ..runtime.programs import program_of
from . import calls, device_calls, pipeline
from .build import Built, build, imported, optimized
from .config import JitConfig
from .dynamo import opaque
from .identity import Identity
from .numbers import NumberHistory, StateHistory
from .parts import Parts, parts_of
from .signature import name_of, reason_of, signature_text, strict_error, warn

# Signatures compiled of what is before or after a loop that runs eagerly: the loop may make other shapes in every call.
_PART_LIMIT = 8


@dataclass(eq=False)
class Entry:
    """What is known of one compiled (or given up) kind of call."""

    signature: str
    traced: Traced | None = None
    built: Built | None = None
    program: Any = None
    reasons: list[Reason] = field(default_factory=list)
    trace_seconds: float = 0.0
    eager: bool = False
    parts: Parts | None = None
    numbers: Mapping[int, Number] = field(default_factory=dict)

    @property
    def steps(self) -> list[dict[str, Any]]:
        if self.parts is not None:
            return [step for part in self.parts.compiled for entry in part.entries for step in entry.steps]
        return self.built.artifact.manifest["steps"] if self.built is not None else []

    @property
    def aten_calls(self) -> int:
        return sum(step["op"] == "aten" for step in self.steps)

    def fallbacks(self) -> list[Reason]:
        """Everything that does not run in a kernel of jic's own."""
        calls_ = [Reason(s["callee"], s["reason"], s["location"]) for s in self.steps if s["op"] == "aten"]
        parts = self.parts.compiled if self.parts is not None else []
        calls_ += [reason for part in parts for entry in part.entries if entry.eager for reason in entry.reasons]
        return [*self.reasons, *calls_] if self.eager else calls_


class CompiledFunction(Identity, Dispatcher):
    """What `jic.compile` returns for a function. Calls are dispatched natively; new signatures compile once."""

    interpreted = True  # code that is being traced calls `fn` instead

    def __init__(self, fn: Callable[..., Any], config: JitConfig, strict: bool = False) -> None:
        pipeline.check(config)
        Dispatcher.__init__(self, self._miss)
        self.fn, self.config, self.strict = fn, config, strict
        self.entries: list[Entry] = []
        self._unrolled: set[str] = set()  # loops that the user was told of
        self._lock = threading.RLock()
        self._numbers, self._state = NumberHistory(), StateHistory()
        self._unmatched: set[str] = set()  # signatures that run eagerly and that no variant can match
        self._full = False  # the limit of signatures is reached
        directory = {} if config.cache_dir is None else {"directory": config.cache_dir}
        self._cache = ArtifactCache(**directory) if config.enable_caching else None
        self._take_identity()

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """As a function's; Dynamo does not know that of the base."""
        return self if instance is None else types.MethodType(self, instance)

    # ---- compiling ----

    @opaque
    def _miss(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # The dispatcher sends every call here while a dispatch mode (which wants to see ATen calls) is active.
        if self._full and not self.strict:
            return self.fn(*args, **kwargs)
        with ONE_AT_A_TIME:  # what another thread traces is no concern of this call
            traced_here = (
                torch.compiler.is_compiling()
                or torch.jit.is_tracing()
                or is_in_torch_dispatch_mode()
                or _is_fake(args, kwargs)
            )
        if traced_here:
            return self.fn(*args, **kwargs)
        with self._lock:
            run = self._prepare(args, kwargs)
        return run(*args, **kwargs)

    def _prepare(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., Any]:
        """Compile for this call; returns what answers it."""
        if len(self.entries) >= self.config.recompile_limit:
            return self._past_limit()
        entry = Entry(signature_text(args, kwargs))
        if entry.signature in self._unmatched:
            return self.fn
        request = calls.Request.of(self.fn, args, kwargs)
        if (function := self._with_numbers(request)) is not None:
            return function
        try:
            with budget.limited(self.config.max_compile_seconds):
                function = self._compile(entry, request)
        except FunctionRaised as error:  # eager raises the same error, and it is eager's
            failure = error
            return lambda *a, **k: self._raised(self.fn(*a, **k), entry, request, failure)
        except (FallbackError, UserPassError):
            raise
        except Exception as error:  # a bug of jic's must not stop the user's program: it is reported like a refusal
            function = self._give_up(entry, request, error)
        self._finish(entry)
        return function

    def _past_limit(self) -> Callable[..., Any]:
        """New signatures run eagerly from now on, and cost nothing more."""
        reason = self._limit_reason()
        if self.strict:
            raise strict_error([reason])
        if not self._full:
            self._full = True
            warn(f"jic runs new signatures of {name_of(self.fn)} eagerly: {reason.why}")
        return self.fn

    def _limit_reason(self) -> Reason:
        text = f"{len(self.entries)} signatures are compiled already"
        return reason_of(JicError(text, hint="raise JitConfig.recompile_limit"), self.fn)

    def _with_numbers(self, request: calls.Request) -> Callable[..., Any] | None:
        """Compile with those numbers as inputs that had other values in earlier calls; None if there are none, or it fails."""
        if self.config.target_device != "cpu":
            return None
        wanted = self._numbers.wanted(request), self._state.wanted()
        if not any(wanted):
            return None
        chosen, traced = wanted, self._traced_with(request, *wanted)
        if traced is None and len(wanted[0]) + len(wanted[1]) > 1:
            arguments = {p: n for p, n in wanted[0].items() if self._traced_with(request, {p: n}, []) is not None}
            state = [n for n in wanted[1] if self._traced_with(request, {}, [n]) is not None]
            chosen = arguments, state
            traced = self._traced_with(request, *chosen) if any(chosen) else None
        if traced is not None:
            entry = Entry(signature_text(request.args, request.kwargs, chosen[0]), numbers=chosen[0])
            try:
                with budget.limited(self.config.max_compile_seconds):
                    function = self._compile(entry, replace(request, numbers=chosen[0]), traced)
            except UserPassError:
                raise
            except Exception:  # as constants they may do
                chosen = {}, []
            else:
                self._finish(entry)
                self._numbers.accept(request, chosen[0])
                self._numbers.refuse(request, wanted[0].keys() - chosen[0].keys())
                self._state.accept(chosen[1])
                self._state.refuse(n for n in wanted[1] if n not in chosen[1])
                return function
        self._numbers.refuse(request, wanted[0])
        self._state.refuse(wanted[1])
        return None

    def _finish(self, entry: Entry) -> None:
        """Remember what is known of a kind of call."""
        if entry.traced is not None:
            self._state.note(entry.traced.guards)
            entry.traced.let_go()
        self.entries.append(entry)

    def _traced_with(
        self, request: calls.Request, numbers: Mapping[int, Number], state: list[StateNumber]
    ) -> Traced | None:
        config = self.config
        try:
            with budget.limited(config.max_compile_seconds):
                return trace(
                    request.fn, request.args, request.kwargs, numbers, state, config.max_trace_ops, config.on_effect
                )
        except (CaptureError, BudgetError):
            return None

    def _compile(self, entry: Entry, request: calls.Request, traced: Traced | None = None) -> Callable[..., Any]:
        start = time.perf_counter()
        if traced is None:
            traced = trace(
                request.fn,
                request.args,
                request.kwargs,
                max_ops=self.config.max_trace_ops,
                on_effect=self.config.on_effect,
            )
        entry.traced = traced
        entry.trace_seconds = time.perf_counter() - start
        entry.reasons.extend(traced.reasons)
        self._warn_of_unrolled(traced.unrolled)
        if self.config.target_device != "cpu":
            device_calls.check(traced, self.config.target_device)
        entry.built = build(traced, self.config, self._cache)
        entry.program = program = program_of(entry.built.artifact)
        program.set_timing(self.config.enable_profiling)
        most = max((e.aten_calls for e in self.entries if e.built), default=0)
        if any(s.number is not None for s in traced.inputs) and entry.aten_calls > most:
            raise JicError("a number that is an input takes an op from a kernel to ATen")
        if self.strict and (fallbacks := entry.fallbacks()):
            raise strict_error(fallbacks)
        if not isinstance(program, Program):
            function = device_calls.function_of(traced, program, request)
            self.add(
                calls.callable_variant(
                    function, request, traced.guards, "any", entry, traced.effects, traced.fixed, traced.bare
                )
            )
            return function
        if torch.is_grad_enabled() and any(_needed(traced, request)):
            from . import gradients  # and the compiled backward: only now, for quick starts

            if why := gradients.can_differentiate(traced):
                raise JicError(f"gradients are needed and {why}", hint="call it under torch.no_grad()")
            differentiable = gradients.Differentiable(traced, program, self.config, self._cache, entry.reasons.append)
            differentiable.prepare(_needed(traced, request))
            function = request.without_receiver(_or_eagerly(differentiable, request.fn))
            self.add(
                calls.callable_variant(
                    function, request, traced.guards, "required", entry, traced.effects, traced.fixed, traced.bare
                )
            )
            return function
        variant = calls.variant_of(traced, request, program, entry)
        self.add(variant)
        return self  # the variant answers now

    def _warn_of_unrolled(self, loops: list[Reason]) -> None:
        """Once for each loop."""
        for loop in loops:
            if loop.location not in self._unrolled:
                self._unrolled.add(loop.location)
                name = getattr(self.fn, "__name__", type(self.fn).__name__)
                warnings.warn(f"jic: a loop of {name} {loop.why} ({loop.location})", stacklevel=5)

    def _raised(self, result: Any, entry: Entry, request: calls.Request, error: FunctionRaised) -> Any:
        """It raised while it was traced, but gave `result` in eager: it does what only real tensors can."""
        self._give_up(entry, request, error)
        self.entries.append(entry)
        return result

    def compile_for(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Entry | None:
        """Compile for a call like this one, without running anything. None if the function seems to raise for it."""
        with self._lock:
            known = len(self.entries)
            self._prepare(args, kwargs)
            return self.entries[-1] if len(self.entries) > known else None

    def _in_parts(self, entry: Entry, request: calls.Request, error: Exception) -> Callable[..., Any] | None:
        """The call with one loop run eagerly, if that is what cannot be compiled."""
        if self.strict or self.config.target_device != "cpu" or isinstance(error, BudgetError):
            return None
        try:
            request.arguments()
            request.keywords()
        except ValueError:  # no variant could match the call: it would be taken apart each time
            return None
        config = replace(self.config, recompile_limit=min(self.config.recompile_limit, _PART_LIMIT))
        try:
            parts = parts_of(request.fn, error, lambda fn: CompiledFunction(fn, config))
            if parts is None:
                return None
            parts.prepare(request.args, request.kwargs)
        except UserPassError:
            raise
        except Exception:  # a bug of jic's: the whole call can still run eagerly
            return None
        function = request.without_receiver(parts)
        reason = reason_of(error, self.fn)
        entry.reasons += [Reason(*note) for note in getattr(error, "notes", ())]
        entry.reasons.append(Reason("loop", f"runs eagerly by itself: {reason.why}", reason.location))
        entry.parts = parts
        where = f" ({reason.location})" if reason.location else ""
        warn(f"jic runs a loop of {name_of(self.fn)} eagerly: {reason.why}{where}")
        self.add(calls.callable_variant(function, request, parts.guards(), "any", entry))
        return function

    def _give_up(self, entry: Entry, request: calls.Request, error: Exception) -> Callable[..., Any]:
        if self.config.on_effect == "error" and isinstance(error, CaptureError) and error.effect:
            raise FallbackError(error.message, hint=error.hint, location=error.location)
        if (function := self._in_parts(entry, request, error)) is not None:
            return function
        entry.eager = True
        entry.reasons += [Reason(*note) for note in getattr(error, "notes", ())]
        entry.reasons.append(reason := reason_of(error, self.fn))
        if self.strict:
            raise strict_error(entry.reasons)
        where = f" ({reason.location})" if reason.location else ""
        warn(f"jic runs {name_of(self.fn)} eagerly: {reason.why}{where}")
        guards = entry.traced.guards if entry.traced is not None else getattr(error, "guards", [])
        try:
            self.add(calls.callable_variant(self.fn, request, guards, "any", entry))
        except ValueError:  # an argument that cannot be matched: each such call comes to `_miss` again
            self._unmatched.add(entry.signature)
        return self.fn

    # ---- looking inside ----

    def entry_for(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Entry:
        """The entry of a call like this one, compiled now if need be (without running it)."""
        if (found := self._known(args, kwargs)) is not None:
            return found
        with self._lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            known = len(self.entries)
            run = self._prepare(args, kwargs)
            if len(self.entries) > known:
                return self.entries[-1]
            if self._full:
                return Entry(signature_text(args, kwargs), reasons=[self._limit_reason()], eager=True)
            run(*args, **kwargs)  # the callable itself raises for these arguments, or cannot be traced
        return self.entries[-1]

    def _known(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Entry | None:
        text = signature_text(args, kwargs)
        values = number_leaves(args, kwargs)
        for entry in reversed(self.entries):
            if not entry.numbers:
                if entry.signature == text:
                    return entry
                continue
            fits = all(p in values and n.holds(values[p]) for p, n in entry.numbers.items())
            if fits and entry.signature == signature_text(args, kwargs, entry.numbers):
                return entry
        return None

    def latest(self) -> Traced:
        """The trace of the latest signature. Raises JicError without one."""
        for entry in reversed(self.entries):
            if entry.traced is not None:
                return entry.traced
            if entry.parts is not None and entry.parts.compiled:
                return entry.parts.compiled[-1].latest()
        raise JicError("nothing is compiled yet", hint="call the compiled function first")

    def ir(self, stage: str = "kernels") -> str:
        """The IR of the latest signature.

        Args:
            stage: `torch` (torch dialect as captured), `jic` (imported), `kernels` (after the passes), or one of the
                target's: its name (kernel functions, and `@main` as launches on planned memory) and what follows,
                `llvm` for the CPU.
        """
        from ..dialects import context
        from ..frontend.importer import import_torch
        from ..targets import lookup

        traced = self.latest()
        if stage == "torch":
            return str(import_torch(traced, context()))
        if stage == "jic":
            return str(imported(traced))
        target = lookup(self.config.target_device)
        stages = ("torch", "jic", "kernels", *target.stage_names)
        if stage not in stages:
            raise JicError(f"stage is {stage!r}, expected {', '.join(stages[:-1])} or {stages[-1]}")
        module = optimized(traced, self.config)
        return str(module) if stage == "kernels" else target.stage(module, stage)

    @property
    def graph(self) -> str:
        """The `jic` IR of the latest signature, before optimisation."""
        return self.ir("jic")

    def ptx(self, *args: Any, arch: str = "sm_90a", **kwargs: Any) -> str:
        """The PTX text of the kernels for a call like this one; the arguments may be meta tensors, and no GPU is needed.

        Raises:
            UnsupportedError: a kernel that the CUDA target does not lower yet.
        """
        from ..targets import lookup

        traced = trace(self.fn, args, kwargs) if args or kwargs else self.latest()
        return lookup("cuda", arch=arch).stage(optimized(traced, self.config, target="cuda"), "ptx")

    def stats(self) -> dict[str, Any]:
        """Calls, cache, compile time by stage, and with profiling the time of each kernel in µs."""
        entries = []
        for entry in self.entries:
            built = entry.built
            entries.append(
                {
                    "signature": entry.signature,
                    "eager": entry.eager,
                    "cached": built.cached if built else "",
                    "compile_seconds": {"trace": entry.trace_seconds, **(built.seconds if built else {})},
                    "kernels": entry.program.stats() if entry.program is not None else [],
                }
            )
        return {
            "calls": self.hits + self.misses,
            "hits": self.hits,
            "misses": self.misses,
            "signatures": entries,
            "cache": dict(self._cache.counts) if self._cache is not None else {},
        }


def _is_fake(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    from torch._subclasses.fake_tensor import FakeTensor

    return any(isinstance(v, FakeTensor) for v in pytree.tree_leaves((args, kwargs)))


def _or_eagerly(differentiable: Callable[..., Any], eager: Callable[..., Any]) -> Callable[..., Any]:
    """`differentiable`, or `eager` where its program gives up."""

    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return differentiable(*args, **kwargs)
        except Bailout:
            return eager(*args, **kwargs)

    return run


def _needed(traced: Traced, request: calls.Request) -> tuple[bool, ...]:
    """For each input of the graph if its gradient is wanted."""
    leaves = pytree.tree_leaves((request.args, request.kwargs))
    tensors = [s.fetch(leaves) for s in traced.inputs]
    return tuple(isinstance(t, torch.Tensor) and t.requires_grad for t in tensors)
