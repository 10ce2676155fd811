"""Pass pipelines as text, mixing jic's passes with upstream's.

    builtin.module(jic-fuse{max-size=8},canonicalize,func.func(cse))

`Pipeline.parse` reads such a text (the outer `builtin.module(...)` may be left out) and `str` prints it so that it parses
to the same pipeline. MLIR cannot register Python passes by name; so jic's passes are called here, on the module, and
each upstream pass runs in an upstream `PassManager`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch_mlir import ir
from torch_mlir.passmanager import PassManager

from jic import budget
from jic.errors import JicError, PassError, PipelineError

from . import registry
from .base import Pass
from .instrumentation import Instrumentation
from .options import OptionError, build, near, print_value

ANCHOR = "builtin.module"


@dataclass(frozen=True)
class UpstreamPass:
    """A pass of MLIR or torch-mlir, with its options as text."""

    name: str
    options: str = ""

    def __str__(self) -> str:
        return f"{self.name}{{{self.options}}}" if self.options else self.name


@dataclass(frozen=True)
class Nested:
    """Upstream passes that run on every op named `anchor` inside the module."""

    anchor: str
    steps: tuple[UpstreamPass | Nested, ...]

    def __str__(self) -> str:
        return f"{self.anchor}({','.join(map(str, self.steps))})"


Step = Pass | UpstreamPass | Nested


def print_pass(pass_: Pass) -> str:
    """`pass_` with all its options: `jic-fuse{max-size=8}`."""
    options = " ".join(f"{key}={print_value(value)}" for key, value in pass_.options().items())
    return f"{pass_.name}{{{options}}}" if options else pass_.name


@dataclass(frozen=True)
class Pipeline:
    """A sequence of passes on a `builtin.module`."""

    steps: tuple[Step, ...] = ()

    @staticmethod
    def parse(text: str, source: str = "<pass-pipeline>") -> Pipeline:
        """The pipeline written in `text`; `source` is what error messages call it.

        Raises:
            PipelineError: the text is malformed or names an unknown pass or option; `location` is `source:line:column`.
        """
        return Pipeline(_Parser(text, source).pipeline())

    def __str__(self) -> str:
        printed = (print_pass(step) if isinstance(step, Pass) else str(step) for step in self.steps)
        return f"{ANCHOR}({','.join(printed)})"

    def run(
        self,
        module: ir.Module | ir.Operation | ir.OpView,
        *,
        instrumentation: Sequence[Instrumentation] = (),
        verify_each: bool = True,
    ) -> None:
        """Run the passes on `module` in place.

        Args:
            module: a `builtin.module`. Wrappers of ops inside it are invalid afterwards.
            instrumentation: called around each pass.
            verify_each: verify the IR after each pass.

        Raises:
            PassError: a pass failed or left invalid IR; the message names it.
            JicError: a pass raised another of jic's errors; a note names the pass.
        """
        operation = module.operation
        if operation.name != ANCHOR:
            raise PassError(f"pipelines run on {ANCHOR}, got {operation.name}")
        with operation.context, ir.Location.unknown():
            for step in self.steps:
                for name, run in _leaves(step):
                    budget.check(f"the pass {name}")
                    for watcher in instrumentation:
                        watcher.before(name, operation)
                    start = time.perf_counter()
                    run(operation, verify_each)
                    seconds = time.perf_counter() - start
                    for watcher in reversed(instrumentation):
                        watcher.after(name, operation, seconds)


@dataclass(frozen=True)
class _RunPass:
    step: Pass

    def __call__(self, module: ir.Operation, verify_each: bool) -> None:
        name = self.step.name
        try:
            self.step.apply(module)
        except PassError as error:
            if name in error.message:
                raise
            raise PassError(f"pass '{name}': {error.message}", hint=error.hint, location=error.location) from error
        except JicError as error:
            error.add_note(f"in pass '{name}'")
            raise
        except Exception as error:
            raise PassError(f"pass '{name}' failed: {type(error).__name__}: {error}") from error
        if verify_each:
            try:
                module.verify()
            except ir.MLIRError as error:
                raise _failure(f"pass '{name}' left invalid IR", error) from error


@dataclass(frozen=True)
class _RunUpstream:
    """One upstream pass in a PassManager of its own: that costs 20 us and tells which pass failed."""

    name: str
    text: str

    def __call__(self, module: ir.Operation, verify_each: bool) -> None:
        manager = PassManager(ANCHOR)
        manager.enable_verifier(verify_each)
        try:
            manager.add(self.text)
            manager.run(module)
        except ValueError as error:  # it cannot run on the op that it is nested in
            raise PassError(f"pass '{self.name}': {' '.join(str(error).split())}") from error
        except ir.MLIRError as error:
            raise _failure(f"pass '{self.name}' failed", error) from error


def _leaves(step: Step, prefix: str = "", suffix: str = "") -> Iterator[tuple[str, _RunPass | _RunUpstream]]:
    """The passes of `step` one by one; a nested pass as `func.func(name)`."""
    if isinstance(step, Pass):
        yield step.name, _RunPass(step)
    elif isinstance(step, UpstreamPass):
        yield step.name, _RunUpstream(step.name, f"{prefix}{step}{suffix}")
    else:
        for inner in step.steps:
            yield from _leaves(inner, f"{prefix}{step.anchor}(", f"){suffix}")


def _failure(what: str, error: ir.MLIRError) -> PassError:
    """A PassError with MLIR's first diagnostic. There is none if the context hands its diagnostics to a handler."""
    diagnostics = error.error_diagnostics
    if not diagnostics:
        return PassError(what)
    first = diagnostics[0]
    match = re.match(r'loc\("(.*)":(\d+:\d+)\)', str(first.location))
    return PassError(f"{what}: {first.message}", location=f"{match[1]}:{match[2]}" if match else "")


class _Parser:
    """Recursive descent over `pipeline ::= step (',' step)*`, `step ::= name ('{' options '}' | '(' pipeline ')')?`."""

    def __init__(self, text: str, source: str) -> None:
        self.text, self.source, self.at = text, source, 0

    def error(self, message: str, at: int, hint: str = "") -> PipelineError:
        line, start = self.text.count("\n", 0, at) + 1, self.text.rfind("\n", 0, at) + 1
        return PipelineError(message, hint=hint, location=f"{self.source}:{line}:{at - start + 1}")

    def pipeline(self) -> tuple[Step, ...]:
        outer = re.compile(rf"\s*{re.escape(ANCHOR)}\s*\(").match(self.text)
        if outer:
            self.at = outer.end()
            steps = self.steps(nested=False, closed=True)
            self.expect(")", outer.end() - 1)
        else:
            steps = self.steps(nested=False, closed=False)
        self.blanks()
        if self.at < len(self.text):
            raise self.error(f"unexpected '{self.text[self.at]}' after the pipeline", self.at)
        return steps

    def steps(self, nested: bool, closed: bool) -> tuple[Step, ...]:
        found: list[Step] = []
        self.blanks()
        if self.at == len(self.text) or (closed and self.text[self.at] == ")"):
            return ()
        while True:
            found.append(self.step(nested))
            self.blanks()
            if not self.accept(","):
                return tuple(found)

    def step(self, nested: bool) -> Step:
        self.blanks()
        start = self.at
        match = re.compile(r"[\w.$-]+").match(self.text, start)
        if not match:
            seen = f"'{self.text[start]}'" if start < len(self.text) else "the end"
            raise self.error(f"expected a pass name, got {seen}", start)
        name, self.at = match[0], match.end()
        self.blanks()
        if self.at < len(self.text) and self.text[self.at] == "(":
            opened = self.at
            self.at += 1
            inner = self.steps(nested=True, closed=True)
            self.expect(")", opened)
            return Nested(name, inner)  # type: ignore[arg-type]  (nested steps are upstream's)
        options, options_at = self.options()
        if registry.is_known(name):
            if nested:
                raise self.error(
                    f"pass '{name}' runs on {ANCHOR} and cannot be nested", start, "move it out of the parentheses"
                )
            try:
                return build(registry.lookup(name), options)
            except OptionError as error:
                raise self.error(error.message, options_at + error.offset, error.hint) from error
        step = UpstreamPass(name, options.strip())
        self.check_upstream(step, start)
        return step

    def options(self) -> tuple[str, int]:
        """The text between balanced braces and its place, or nothing."""
        if self.at == len(self.text) or self.text[self.at] != "{":
            return "", self.at
        start, depth, quote = self.at, 0, ""
        for at in range(start, len(self.text)):
            char = self.text[at]
            if quote:
                if char == quote and self.text[at - 1] != "\\":
                    quote = ""
            elif char in "\"'":
                quote = char
            elif char in "{}":
                depth += 1 if char == "{" else -1
                if not depth:
                    self.at = at + 1
                    return self.text[start + 1 : at], start + 1
        raise self.error("unclosed '{'", start)

    def check_upstream(self, step: UpstreamPass, at: int) -> None:
        with ir.Context():
            try:
                PassManager("any").add(str(step))
            except ValueError as error:
                said = " ".join(str(error).split())
                if "does not refer to a registered pass" in said:
                    hint = near(step.name, [*registry.names(), *COMMON_UPSTREAM])
                    raise self.error(f"unknown pass '{step.name}'", at, hint) from error
                said = said.removeprefix("<Pass-Options-Parser>: ")
                raise self.error(f"bad options of pass '{step.name}': {said}", at) from error

    def blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def accept(self, char: str) -> bool:
        if self.text.startswith(char, self.at):
            self.at += 1
            return True
        return False

    def expect(self, char: str, opened: int) -> None:
        self.blanks()
        if not self.accept(char):
            if self.at == len(self.text):
                raise self.error(f"unclosed '{self.text[opened]}'", opened)
            raise self.error(f"expected ',' or '{char}', got '{self.text[self.at]}'", self.at)


# Candidates for "did you mean": MLIR does not tell the names that it knows.
COMMON_UPSTREAM = (
    "canonicalize", "cse", "inline", "sccp", "symbol-dce", "trivial-dce", "remove-dead-values", "strip-debuginfo",
    "loop-invariant-code-motion", "one-shot-bufferize", "lower-affine", "expand-strided-metadata",
    "convert-linalg-to-loops", "convert-elementwise-to-linalg", "convert-scf-to-cf", "convert-vector-to-scf",
    "convert-vector-to-llvm", "convert-arith-to-llvm", "convert-math-to-llvm", "convert-func-to-llvm",
    "convert-cf-to-llvm", "convert-index-to-llvm", "finalize-memref-to-llvm", "reconcile-unrealized-casts",
)  # fmt: skip
