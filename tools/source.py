"""Reading IR: files, the parts of a file, and parsing with the file's name in every location."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch_mlir import ir

from jic.errors import ConfigError

BYTECODE = b"ML\xefR"
_SPLIT = re.compile(r"^// ?-----.*\n?", re.M)
_SEVERAL_OPS = "source must contain a single top-level operation"


def display_name(path: str) -> str:
    return "<stdin>" if path == "-" else path


def read(path: str) -> str | bytes:
    """The text of the input, or its bytes if it is bytecode. `-` is standard input."""
    try:
        if path == "-":
            data = sys.stdin.buffer.read() if hasattr(sys.stdin, "buffer") else sys.stdin.read().encode()
        else:
            data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the input: {error.strerror}", location=f"{path}:1:1") from error
    if data.startswith(BYTECODE):
        return data
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise ConfigError("the input is not UTF-8 text", location=f"{display_name(path)}:{line}:{column}") from error


def split(text: str) -> list[str]:
    """The parts of `text` between `// -----` lines, each after as many empty lines as keep its line numbers."""
    parts: list[str] = []
    start = line = 0
    for separator in [*_SPLIT.finditer(text), None]:
        end = separator.start() if separator else len(text)
        parts.append("\n" * line + text[start:end])
        if separator:
            line += text.count("\n", start, separator.end())
            start = separator.end()
    return parts


def needs_torch_dialect(source: str | bytes) -> bool:
    return (b"torch." in source) if isinstance(source, bytes) else bool(re.search(r"[!\"\s=]torch[.-]", source))


def parse(source: str | bytes, name: str, context: ir.Context, implicit_module: bool) -> ir.Operation:
    """The operation in `source`, wrapped in a `builtin.module` if `implicit_module` and it is none.

    Raises:
        ir.MLIRError: the IR is bad; the context's diagnostic handlers were told.
    """
    if isinstance(source, bytes):
        return ir.Module.parse(source, context).operation
    if not implicit_module:
        return ir.Operation.parse(source, source_name=name, context=context).operation
    # `Module.parse` adds the module but calls every file "-". So parse one operation, and wrap it here.
    with _hold_back(context, _SEVERAL_OPS) as several:
        try:
            operation = ir.Operation.parse(source, source_name=name, context=context).operation
        except ir.MLIRError:
            if not several:
                raise
            operation = None
    if operation is None:
        wrapped = _wrap(source)
        if wrapped is None:
            return ir.Module.parse(source, context).operation
        return ir.Operation.parse(wrapped, source_name=name, context=context).operation
    if operation.name == "builtin.module":
        return operation
    module = ir.Module.create(ir.Location.file(name, 1, 1, context))
    module.body.append(operation)
    return module.operation


@contextmanager
def _hold_back(context: ir.Context, message: str) -> Iterator[list[str]]:
    """Keep diagnostics that begin with `message` from the handlers outside, and list them."""
    held: list[str] = []

    def handle(diagnostic: ir.Diagnostic) -> bool:
        if diagnostic.message.startswith(message):
            held.append(diagnostic.message)
            return True
        return False

    handler = context.attach_diagnostic_handler(handle)
    try:
        yield held
    finally:
        handler.detach()


def _wrap(text: str) -> str | None:
    """`text` inside `module { }` with every token of it where it was, or None if aliases stand in the way.

    The opening goes onto the line before the first op, which is blank or a comment, or else it moves the first line.
    """
    lines = text.split("\n")
    is_alias = [bool(re.match(r"\s*[#!][\w.-]+\s*=|\s*\{-#", line)) for line in lines]
    is_blank = [not line.strip() or line.lstrip().startswith("//") for line in lines]
    body = [i for i in range(len(lines)) if not is_blank[i] and not is_alias[i]]
    first = body[0] if body else len(lines)
    if any(is_alias[first:]):
        return None
    if not body:
        return text + "\nmodule {}" if text.strip() else "module {}"
    if first and is_blank[first - 1]:
        lines[first - 1] = "module {"
    else:
        lines[first] = "module { " + lines[first]
    return "\n".join(lines) + "\n}"
