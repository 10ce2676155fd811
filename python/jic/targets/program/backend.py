"""What the lowering of programs asks of a target."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from jic.errors import UnsupportedError

from ..kernel.region import Region
from .launch import Lowered
from .steps import Step

# Kinds whose bodies have regions of their own: their templates get the op, the others a `Region`.
NESTED_KINDS = frozenset(("recurrence",))


@dataclass(frozen=True)
class Backend:
    """A target as programs see it.

    Attributes:
        target: its name.
        templates: for each kind of kernel the module with its `lower(body, name, kernels, machine) -> Lowered`.
        kernels: what the templates put their functions into.
        machine: what they are told of the machine.
        launch_fields: what a launch's entry in the manifest says beside buffers and names; see docs/architecture.md.
        alignment: of ranges of the workspace, in bytes.
        copy_kernel_bytes: from this size on a copy is a kernel, which threads share; None for never.
    """

    target: str
    templates: Mapping[str, str]
    kernels: Any
    machine: Any
    launch_fields: Callable[[Step], dict[str, Any]]
    alignment: int = 64
    copy_kernel_bytes: int | None = None

    def lower(self, kind: str, body: Region | ir.Operation, name: str) -> Lowered:
        """Lower a kernel's body by the template of its kind."""
        return importlib.import_module(self.templates[kind]).lower(body, name, self.kernels, self.machine)

    def check(self, kind: str, location: str) -> None:
        """Raise `UnsupportedError` if kernels of `kind` have no template here."""
        if kind not in self.templates:
            kinds = ", ".join(self.templates)
            raise UnsupportedError(
                f"a kernel of kind '{kind}' has no template for the target {self.target}",
                hint=f"kinds are {kinds}",
                location=location,
            )
