"""One run of `jic-opt` over an input: parse each part, run the pipeline, print or check diagnostics, write the output."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from torch_mlir import ir

from jic import dialects
from jic.errors import ConfigError, JicError, PassError
from jic.passes.instrumentation import Instrumentation, PrintIR, Timing
from jic.passes.pipeline import Pipeline

from . import diagnostics, source
from .diagnostics import Diagnostic
from .options import Options


def torch_extension():
    """torch-mlir's native extension: the torch dialect and its passes. It does not import torch."""
    from torch_mlir._mlir_libs import _torchMlir

    return _torchMlir


def as_diagnostic(error: JicError, name: str) -> Diagnostic:
    return Diagnostic.at("error", error.message, error.location or f"{name}:1:1")


class Run:
    def __init__(self, options: Options, pipeline: Pipeline) -> None:
        self.options, self.pipeline = options, pipeline
        self.name = source.display_name(options.input)
        self.timing = Timing()
        self.lines: list[str] = []
        self.seen: list[Diagnostic] = []

    def all(self) -> int:
        read = source.read(self.options.input)
        context = dialects.context()
        context.allow_unregistered_dialects = self.options.allow_unregistered_dialect
        context.emit_error_diagnostics = True
        if source.needs_torch_dialect(read):
            torch_extension().register_dialect(context)
        parts: list[str | bytes] = [read]
        if isinstance(read, str):
            self.lines = read.split("\n")
            if self.options.split_input_file:
                parts = list(source.split(read))
        if self.options.emit_bytecode and len(parts) > 1:
            raise ConfigError("--emit-bytecode writes one module, but the input has several parts")
        outputs: list[str | bytes] = []
        good = True
        handler = context.attach_diagnostic_handler(self._handle)
        try:
            for part in parts:
                self.seen = []
                output = self._one(part, context)
                if self.options.verify_diagnostics:
                    part_lines = part.split("\n") if isinstance(part, str) else []
                    wrong = diagnostics.verify(self.name, part_lines, self.seen)
                    for diagnostic in wrong:
                        self._print(diagnostic)
                    good &= not wrong
                else:
                    good &= output is not None
                if output is not None:
                    outputs.append(output)
        finally:
            handler.detach()
        if not self.options.verify_diagnostics and (good or self.options.output == "-"):
            self._write(outputs)
        if self.options.timing:
            print(self.timing.report(), file=sys.stderr)
        return 0 if good else 1

    def _one(self, part: str | bytes, context: ir.Context) -> str | bytes | None:
        """The output for one part, or None if it failed."""
        try:
            with context, ir.Location.unknown():
                module = source.parse(part, self.name, context, not self.options.no_implicit_module)
                if self.pipeline.steps:
                    self.pipeline.run(
                        module, instrumentation=self._instrumentation(), verify_each=self.options.verify_each
                    )
                return self._print_module(module)
        except PassError as error:
            if not isinstance(error.__cause__, ir.MLIRError):
                self._report(as_diagnostic(error, self.name))
            elif not self.options.verify_diagnostics:  # MLIR's own diagnostic went to the handler
                severity = "note" if any(d.severity == "error" for d in self.seen) else "error"
                self._report(Diagnostic(severity, error.message, self.name, 1, 1))
        except JicError as error:
            note = "".join(f" ({text})" for text in getattr(error, "__notes__", ()))
            self._report(Diagnostic.at("error", error.message + note, error.location or f"{self.name}:1:1"))
        except ir.MLIRError as error:
            if not any(d.severity == "error" for d in self.seen):
                self._report(Diagnostic("error", str(error), self.name, 1, 1))
        return None

    def _print_module(self, module: ir.Operation) -> str | bytes:
        if self.options.emit_bytecode:
            buffer = io.BytesIO()
            module.write_bytecode(buffer)
            return buffer.getvalue()
        return str(module.get_asm(**self.options.asm)).rstrip("\n") + "\n"

    def _instrumentation(self) -> list[Instrumentation]:
        chosen: list[Instrumentation] = []
        o = self.options
        before = None if o.print_ir_before_all else o.print_ir_before
        after = None if o.print_ir_after_all or (o.print_ir_after_change and not o.print_ir_after) else o.print_ir_after
        if before is None or after is None or before or after:
            chosen.append(
                PrintIR(before, after, o.print_ir_after_change, asm=lambda module: str(module.get_asm(**o.asm)))
            )
        if o.timing:
            chosen.append(self.timing)
        return chosen

    def _handle(self, diagnostic: ir.Diagnostic) -> bool:
        for one in diagnostics.from_mlir(diagnostic):
            # As in mlir-opt, the printed op is no part of what a test states.
            if not (self.options.verify_diagnostics and one.message.startswith("see current operation: ")):
                self._report(one)
        return True

    def _report(self, diagnostic: Diagnostic) -> None:
        if diagnostic.file == "-":  # where the parser knew no name
            diagnostic = Diagnostic(
                diagnostic.severity, diagnostic.message, self.name, diagnostic.line, diagnostic.column
            )
        self.seen.append(diagnostic)
        if not self.options.verify_diagnostics:
            self._print(diagnostic)

    def _print(self, diagnostic: Diagnostic) -> None:
        print(diagnostic, file=sys.stderr)
        shown = diagnostics.snippet(diagnostic, self.name, self.lines)
        if shown:
            print(shown, file=sys.stderr)

    def _write(self, outputs: list[str | bytes]) -> None:
        path = self.options.output
        if self.options.emit_bytecode:
            data = b"".join(o for o in outputs if isinstance(o, bytes))
        else:
            data = "// -----\n".join(o for o in outputs if isinstance(o, str)).encode()
        if path == "-":
            if self.options.emit_bytecode:
                sys.stdout.buffer.write(data)
            else:
                sys.stdout.write(data.decode())
            sys.stdout.flush()
            return
        try:
            Path(path).write_bytes(data)
        except OSError as error:
            raise ConfigError(f"cannot write the output: {error.strerror}", location=f"{path}:1:1") from error
