"""What a lowered program is made of: steps in order, jumps between them, and the buffers they work on."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch_mlir import ir

from ..kernel.elements import ELEMENT_BYTES
from .launch import Launch
from .memory_plan import Range, Uses


@dataclass(frozen=True)
class Slot:
    """A buffer: `kind` is input, output, constant, workspace or value; `index` numbers it (workspace: its range)."""

    kind: str
    index: int
    elements: int
    element: str

    @property
    def bytes(self) -> int:
        return self.elements * ELEMENT_BYTES[self.element]

    @property
    def place(self) -> tuple[str, int]:
        """What two slots of the same memory have in common."""
        return self.kind, self.index


@dataclass
class Label:
    """A place between steps that jumps go to: the number of the step after it, once that is known."""

    step: int = -1


@dataclass
class Step:
    """A launch, an ATen call (whose results are the values from `first_value` on), or one of the small steps.

    `op` is launch, aten, copy (slots: from, to), check (a status buffer), bail, jump, branch (slots: condition), set (slots:
    an i64) or count (slots: the counter, its limit); see docs/control_flow.md. The first `inputs` slots are read and the
    others written; those in `kept` are not overwritten as a whole. `times` is how often a run of the program executes the
    step, as far as one knows.
    """

    op: str
    slots: list[Slot]
    name: str = ""
    location: str = ""
    inputs: int = 0
    launch: Launch | None = None
    call: ir.Operation | None = None
    first_value: int = 0
    ops: list[str] = field(default_factory=list)
    kept: tuple[Slot, ...] = ()
    to: Label | None = None
    value: int = 0
    times: int = 1

    def uses(self, number: int) -> Uses:
        """What the step, which is number `number`, does to the workspace's ranges."""
        followers = [number + 1] if self.op != "jump" else []
        if self.to is not None:
            followers.append(self.to.step)
        reads, writes = self.slots[: self.inputs], self.slots[self.inputs :]
        return Uses(_ranges([*reads, *self.kept]), _ranges(writes), tuple(followers))


def _ranges(slots: list[Slot]) -> int:
    mask = 0
    for slot in slots:
        if slot.kind == "workspace":
            mask |= 1 << slot.index
    return mask


@dataclass
class HostProgram:
    """Steps in order, the workspace's ranges, and the constants."""

    steps: list[Step] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)
    constants: list[ir.Attribute] = field(default_factory=list)
    values: int = 0
    workspace: int = 0
    outputs: list[Slot] = field(default_factory=list)
