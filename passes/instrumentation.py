"""What can watch a pipeline run: printing the IR around passes, timing them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol, TextIO

from torch_mlir import ir


class Instrumentation(Protocol):
    """Called around each pass, upstream or jic, with the pass's name."""

    def before(self, name: str, module: ir.Operation) -> None: ...

    def after(self, name: str, module: ir.Operation, seconds: float) -> None: ...


def print_asm(module: ir.Operation) -> str:
    return module.get_asm()


@dataclass
class PrintIR:
    """Prints the module before and after passes, as mlir-opt does.

    Args:
        before_passes, after_passes: names of the passes to print around, or None for all of them.
        on_change: print after a pass only if it changed the IR.
        stream: where to; the standard error stream of the time of printing by default.
        asm: how to print the module.
    """

    before_passes: Collection[str] | None = ()
    after_passes: Collection[str] | None = ()
    on_change: bool = False
    stream: TextIO | None = None
    asm: Callable[[ir.Operation], str] = print_asm
    _last: str = field(default="", repr=False)

    def before(self, name: str, module: ir.Operation) -> None:
        if self.on_change:
            self._last = module.get_asm(enable_debug_info=True)
        if self.before_passes is None or name in self.before_passes:
            self._print("Before", name, module)

    def after(self, name: str, module: ir.Operation, seconds: float) -> None:
        if not (self.after_passes is None or name in self.after_passes):
            return
        if not self.on_change or module.get_asm(enable_debug_info=True) != self._last:
            self._print("After", name, module)

    def _print(self, when: str, name: str, module: ir.Operation) -> None:
        print(f"// -----// IR Dump {when} {name} //----- //\n{self.asm(module)}", file=self.stream or sys.stderr)


@dataclass
class Timing:
    """Wall time of each pass, in the order they ran."""

    passes: list[tuple[str, float]] = field(default_factory=list)

    def before(self, name: str, module: ir.Operation) -> None: ...

    def after(self, name: str, module: ir.Operation, seconds: float) -> None:
        self.passes.append((name, seconds))

    def report(self) -> str:
        total = sum(seconds for _, seconds in self.passes)
        lines = ["===- Pass execution timing report -===", f"  Total Execution Time: {total:.4f} seconds", ""]
        lines.append("  ----Wall Time----  ----Name----")
        for name, seconds in [*self.passes, ("Total", total)]:
            share = 100 * seconds / total if total else 0.0
            lines.append(f"  {seconds:8.4f} ({share:5.1f}%)  {name}")
        return "\n".join(lines)
