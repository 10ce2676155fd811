"""What distinguishes one GPU from another: memory spaces, wide loads, how threads of a block reduce together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch_mlir import ir

from ..kernel.functions import Functions
from ..kernel.index import Variable
from ..kernel.memory import Memory

Combine = Callable[[list[ir.Value], list[ir.Value]], list[ir.Value]]


@dataclass(frozen=True)
class GpuMachine(ABC):
    """A GPU as the templates see it.

    Attributes:
        max_blocks: the largest number of blocks in one launch.
        vector_bytes: bytes of the widest load of one thread; 0 if loads are of single elements.
        warp: threads that exchange values without a barrier, or 0 if a kernel may not rely on that.
        threads: threads of a block.
    """

    functions: Functions
    max_blocks: int
    vector_bytes: int
    warp: int
    threads: int

    @abstractmethod
    def buffer_type(self, elements: int, element: str) -> str:
        """The memref type, as text, of a buffer argument."""

    @abstractmethod
    def shared_type(self, elements: int, element: ir.Type) -> str:
        """The memref type, as text, of memory that the threads of a block share."""

    @abstractmethod
    def declare_shared(self, types: Sequence[str]) -> tuple[str, str]:
        """The text that declares shared memory `%shared0…`: after the function's arguments, and in its body."""

    @abstractmethod
    def function_attributes(self, threads: int) -> str:
        """Attributes of a kernel function of `threads` threads a block, as text."""

    @abstractmethod
    def memory(
        self, buffers: Sequence[ir.Value], variables: dict[Variable, ir.Value], lane: Variable | None, width: int
    ) -> Memory:
        """The loads and stores of this machine."""

    @abstractmethod
    def shared_elements(self, group: int) -> int:
        """Elements of shared memory that `reduce_group` needs for one value of each of `group` threads; 0 for none."""

    @abstractmethod
    def reduce_group(
        self,
        shared: Sequence[ir.Value],
        thread: ir.Value,
        group: int,
        values: list[list[ir.Value]],
        combine: list[Combine],
    ) -> list[list[ir.Value]]:
        """Combine the values of the `group` threads that work on one row, so that all of them have the result.

        Args:
            shared: arrays in shared memory that nothing has used yet, at least one for each value.
            thread: the thread's number in its group.
            values: for each reduction, what this thread has accumulated (in register types).
            combine: for each reduction, how two such lists become one.
        """
