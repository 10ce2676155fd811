"""Exported programs: the file that `jic.export` writes (docs/artifact.md), and what `jic.load` makes of it.

It knows torch and the runtime, and no compiler.
"""

from __future__ import annotations

from .model import LoadedFunction, LoadedModule, ModelFile, load

__all__ = ["LoadedFunction", "LoadedModule", "ModelFile", "load"]
