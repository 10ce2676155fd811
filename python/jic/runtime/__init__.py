"""The runtime: loads artifacts, guards and launches them, and keeps them.

It knows torch tensors and drivers, and no compiler.
"""

from __future__ import annotations

from .artifact import Artifact
from .cache import ArtifactCache
from .dispatch import Dispatcher, Variant
from .program import Bailout, Program

__all__ = ["Artifact", "ArtifactCache", "Bailout", "Dispatcher", "Program", "Variant"]
