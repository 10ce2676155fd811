"""The pass pipeline of a compilation: the target's own with the user's passes in it, or the user's."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..errors import BudgetError, JicError, PassError, PipelineError, UserPassError
from .config import JitConfig
from .sources import digest_of

if TYPE_CHECKING:
    from torch_mlir import ir

    from ..passes.stages import Section

T = TypeVar("T")

_OWN = str(Path(__file__).resolve().parent.parent)
_SOURCE = "pipeline"  # what messages call the text of `JitConfig.pipeline`


def stages(config: JitConfig, target: str | None = None) -> dict[str, str]:
    """The default pipeline of `target`, or the configuration's: stages in order, name to pipeline text."""
    from ..targets import lookup

    return lookup(target or config.target_device).pipeline(config)


def sections(config: JitConfig, target: str | None = None) -> list[Section]:
    """The whole pipeline for `target`, or the configuration's. Loads MLIR.

    Raises:
        PipelineError: a text of the user's does not parse, or names an unknown pass, option or stage.
    """
    from ..passes.pipeline import Pipeline
    from ..passes.stages import Section, with_passes

    texts = (config.pipeline or "", *config.extra_passes.values())
    if any("torch" in text for text in texts):
        from torch_mlir._mlir_libs import _torchMlir  # noqa: F401  (registers torch-mlir's passes)
    try:
        if config.pipeline is not None:
            return [Section(Pipeline.parse(config.pipeline, _SOURCE), _SOURCE)]
        return with_passes(stages(config, target), config.extra_passes)
    except PipelineError as error:
        if error.hint or "unknown pass" not in error.message:
            raise
        hint = "a pass of your own is known once the module that registers it is imported"
        raise PipelineError(error.message, hint=hint, location=error.location) from None


def check(config: JitConfig) -> None:
    """Raise now what `sections` would raise at the first call."""
    if config.has_passes:
        sections(config)


def digest(config: JitConfig) -> str:
    """The part of a cache key that the user's passes make: their texts with all options, and their code."""
    if not config.has_passes:
        return ""
    from ..passes.base import Pass

    own = [section for section in sections(config) if section.source]
    texts = "\n".join(f"{section.source} {section.pipeline}" for section in own)
    classes = {type(p).name: type(p) for section in own for p in section.pipeline.steps if isinstance(p, Pass)}
    return hashlib.sha256(f"{texts}\n{digest_of(classes.values())}".encode()).hexdigest()


def run(module: ir.Module, whole: list[Section], verify_each: bool) -> bool:
    """Run the sections on `module` in place; returns if it is valid before and after the user's passes, and at the end.

    Raises:
        UserPassError: a pass of the user's failed, left invalid IR, or changed the type of `@main`.
        PassError: a pass of jic's own failed, or (with `verify_each`) left invalid IR.
    """
    for section in whole:
        if not section.source:
            section.pipeline.run(module.operation, verify_each=verify_each)
        elif not _is_valid(module):
            return False
        else:
            _run_own(module, section)
    return _is_valid(module)


def _run_own(module: ir.Module, section: Section) -> None:
    try:
        section.pipeline.run(module.operation, instrumentation=[_MainKept(_main_type(module.operation))])
    except BudgetError:
        raise
    except JicError as error:
        notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
        where = error.location or _raised_at(error.__cause__ or error)
        hint = f"{error.hint}; it is in {section.source}" if error.hint else f"it is in {section.source}"
        raise UserPassError(error.message + notes, hint=hint, location=where) from error


@dataclass(frozen=True)
class _MainKept:
    """Checks after each pass that `@main` takes and returns what its callers pass and expect."""

    type: str

    def before(self, name: str, module: ir.Operation) -> None:
        pass

    def after(self, name: str, module: ir.Operation, seconds: float) -> None:
        found = _main_type(module)
        if found != self.type:
            seen = f"made it {found}" if found else "removed it"
            raise PassError(f"pass '{name}' must leave the type of @main as it is, {self.type}, but {seen}")


def _main_type(module: ir.Operation) -> str:
    """The type of `@main` as text; empty if there is no such function."""
    from torch_mlir.ir import StringAttr

    for op in module.regions[0].blocks[0].operations:
        if op.operation.name == "func.func" and StringAttr(op.attributes["sym_name"]).value == "main":
            return str(op.attributes["function_type"])
    return ""


def _raised_at(error: BaseException) -> str:
    """The innermost line of the user's that `error` went through, as `file:line`."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith(_OWN) and "torch_mlir" not in Path(f.filename).parts]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else ""


def _is_valid(module: ir.Module) -> bool:
    from torch_mlir.ir import MLIRError

    try:
        return module.operation.verify()
    except MLIRError:
        return False


def blaming(config: JitConfig, compile: Callable[[JitConfig], T]) -> T:
    """`compile(config)`.

    Raises:
        UserPassError: it fails, and does not without the user's passes.
    """
    try:
        return compile(config)
    except (UserPassError, BudgetError):
        raise
    except Exception as error:
        if not config.has_passes:
            raise
        try:
            compile(replace(config, pipeline=None, extra_passes={}))
        except Exception:  # not theirs, then
            raise error from None
        said = error.message if isinstance(error, JicError) else f"{type(error).__name__}: {error}"
        where = error.location if isinstance(error, JicError) else ""
        own = [section for section in sections(config) if section.source]
        raise UserPassError(
            f"what {' and '.join(_described(section) for section in own)} leaves cannot be compiled: {said}",
            hint="without it the call compiles; `ir('kernels')` of the compiled function shows what the default pipeline leaves",
            location=where,
        ) from error


def _described(section: Section) -> str:
    if section.source == _SOURCE:
        return "JitConfig.pipeline"
    names = ", ".join(step.name if hasattr(step, "name") else str(step) for step in section.pipeline.steps)
    return f"{names} in {section.source}"
