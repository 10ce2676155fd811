"""What the rest of jic knows of a target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch_mlir import ir


class PassOptions(Protocol):
    """What chooses the passes of a default pipeline; `JitConfig` has it."""

    @property
    def fusion_strategy(self) -> str: ...
    @property
    def max_fusion_size(self) -> int: ...
    @property
    def enable_optimizations(self) -> bool: ...


@dataclass(frozen=True)
class Compiled:
    """What an artifact holds: manifest, code and constants (see docs/architecture.md); and seconds by stage."""

    manifest: dict[str, Any]
    code: bytes
    constants: bytes
    seconds: dict[str, float]

    def module(self, kernel: str) -> bytes:
        """The code of one kernel, of a target that has a module for each."""
        offset, size = self.manifest["modules"][kernel]
        return self.code[offset : offset + size]


class Target(ABC):
    """A target. Modules that it takes are at the kernels level (see docs/architecture.md).

    Attributes:
        name: what `lookup` finds it by.
        stage_names: the stages below the kernels level that `stage` shows.
    """

    name: ClassVar[str]
    stage_names: ClassVar[tuple[str, ...]]

    @abstractmethod
    def pipeline(self, options: PassOptions) -> dict[str, str]:
        """The default pass pipeline, from the imported graph to kernels, by stages: name to text, in order."""

    @abstractmethod
    def compile(self, module: ir.Module) -> Compiled:
        """Compile `@main` of `module`, which stays as it is. No device is needed.

        Raises:
            UnsupportedError: a kind of kernel, an op or a dtype that the target has nothing for.
            LoweringError: a body that its template does not take.
            CodegenError: the generated code was refused.
        """

    @abstractmethod
    def stage(self, module: ir.Module, name: str) -> str:
        """`module` lowered to one of `stage_names`, as text."""

    @abstractmethod
    def lower(self, module: ir.Operation) -> None:
        """Lower `module` in place: its kernels to functions, and `@main` to launches on planned memory."""
