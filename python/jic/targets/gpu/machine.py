"""What distinguishes one GPU from another: memory spaces, wide loads, how threads of a block reduce together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch_mlir import ir

from jic.errors import UnsupportedError

from ..kernel.functions import Functions
from ..kernel.index import Variable
from ..kernel.memory import Memory

MAX_UNROLL = 32

Combine = Callable[[list[ir.Value], list[ir.Value]], list[ir.Value]]


@dataclass(frozen=True)
class GpuMachine(ABC):
    """A GPU as the templates see it.

    Attributes:
        max_blocks: the largest number of blocks in one launch.
        vector_bytes: bytes of the widest load of one thread; 0 if loads are of single elements.
        warp: threads that exchange values without a barrier, or 0 if a kernel may not rely on that.
        threads: threads of a block.
        max_iterations: of all loops that one thread runs, or 0 if there is no limit. lavapipe ends a thread there, silently.
    """

    functions: Functions
    max_blocks: int
    vector_bytes: int
    warp: int
    threads: int
    max_iterations: int

    def grid(self, blocks: int) -> list[int]:
        """A launch of at least `blocks` blocks: rows of at most `max_blocks`."""
        return [min(blocks, self.max_blocks), -(-blocks // self.max_blocks) if blocks else 1, 1]

    def covers(self, blocks: int) -> bool:
        """Whether `grid` has no more than `blocks` blocks."""
        return blocks <= self.max_blocks or blocks % self.max_blocks == 0

    def is_too_long(self, iterations: int) -> bool:
        """Whether `unrolled` would refuse so many."""
        return bool(self.max_iterations) and iterations > MAX_UNROLL * self.max_iterations

    def unrolled(self, iterations: int) -> int:
        """How many of a thread's `iterations` one iteration of a loop must do, such that the loops stay in the limit.

        Raises:
            UnsupportedError: so many that the kernel would be too long.
        """
        factor = -(-iterations // self.max_iterations) if self.max_iterations else 1
        if self.is_too_long(iterations):
            raise UnsupportedError(
                f"a thread would run {iterations} iterations, of at most {MAX_UNROLL * self.max_iterations} on this target",
                hint="split the reduction or the scan",
            )
        return max(1, factor)

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
