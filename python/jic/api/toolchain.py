"""What compiled code depends on besides the graph: versions, the compiler's own sources, the machine, user rules."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ..runtime.features import machine_features
from .sources import digest_of


@functools.cache
def digest() -> str:
    """Changes whenever the compiler, a library that it uses, or the machine changes."""
    state = hashlib.sha256(repr((sys.version_info[:2], machine_features())).encode())
    for package in ("torch", "torch-mlir", "llvmlite"):
        try:
            state.update(f"{package} {importlib.metadata.version(package)}".encode())
        except importlib.metadata.PackageNotFoundError:
            state.update(f"{package} missing".encode())
    root = Path(__file__).resolve().parent.parent
    for directory in ("dialects", "passes", "frontend", "targets", "runtime", "api"):
        state.update("\n".join(sorted(_sources(str(root / directory), directory))).encode())
    return state.hexdigest()


def _sources(folder: str, name: str) -> Iterator[str]:
    """A line for each source file below `folder`, which is called `name`. `Path.rglob` takes five times as long."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                status = entry.stat()
                yield f"{name}/{entry.name} {status.st_size} {status.st_mtime_ns}"
            elif entry.name != "__pycache__" and entry.is_dir():
                yield from _sources(entry.path, f"{name}/{entry.name}")


def rules_digest() -> str:
    """The code of the fusion rules registered in this process; empty without any."""
    module = sys.modules.get("jic.passes.rules")
    if module is None:
        return ""
    rules = [(rule.name, rule.pattern, rule.function) for rule in module.registered()]
    return digest_of(rules) if rules else ""
