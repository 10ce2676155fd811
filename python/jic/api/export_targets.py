"""The targets of an export: their names, and a captured call as an artifact for one of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..errors import ConfigError
from ..frontend import Traced
from ..runtime import Artifact, ArtifactCache
from .build import build, optimized
from .config import JitConfig

_CODE = {"cpu": "code.o", "cuda": "code.ptx", "vulkan": "code.spv"}
_DEFAULT_LEVELS = {"cpu": "host", "cuda": "sm_90a", "vulkan": ""}
# The best first: a reader takes the first that runs.
_ORDER = ("host", "x86-64-v4", "x86-64-v3")


@dataclass(frozen=True)
class ExportTarget:
    """A target and what of it: `cpu` at the level `host` or `x86-64-v3`, `cuda` for an architecture."""

    name: str
    level: str

    @staticmethod
    def parse(text: str) -> ExportTarget:
        """`cpu`, `cpu:x86-64-v3`, `cuda:sm_80`, `vulkan`.

        Raises:
            ConfigError: no such target or level.
        """
        name, colon, level = text.partition(":")
        if name not in _CODE or (colon and not level) or (name == "vulkan" and colon):
            raise ConfigError(f"target {text!r} is not known, expected cpu, cpu:LEVEL, cuda, cuda:ARCH or vulkan")
        found = ExportTarget(name, level or _DEFAULT_LEVELS[name])
        if level:
            from ..targets import lookup

            lookup(name, **found._options())
        return found

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.level}" if self.level else self.name

    @property
    def code_file(self) -> str:
        return _CODE[self.name]

    @property
    def rank(self) -> int:
        return _ORDER.index(self.level) if self.level in _ORDER else len(_ORDER)

    def compile(self, traced: Traced, config: JitConfig, cache: ArtifactCache | None) -> Artifact:
        """The call's program. That of this very machine is the one that `jic.compile` has.

        Raises:
            JicError: it cannot be imported, lowered or compiled for the target.
        """
        if self == ExportTarget("cpu", "host"):
            return build(traced, replace(config, target_device="cpu"), cache).artifact
        from ..targets import lookup

        made = lookup(self.name, **self._options()).compile(optimized(traced, config, target=self.name))
        return Artifact(made.manifest, made.code, made.constants)

    def _options(self) -> dict[str, Any]:
        """Those of the target that stand for the level."""
        if self.name == "cpu":
            return {"level": self.level}
        return {"arch": self.level} if self.name == "cuda" else {}
