"""A program ready to run: an artifact's code in memory, with the steps of its manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch

from jic.errors import ArtifactError

from .artifact import Artifact
from .aten import AtenCall
from .native_module import native, type_code

__all__ = ["Bailout", "Program"]

# Raised when a program gives up (a `bail` step): its outputs are worth nothing, and what it stands for has to be done otherwise.
Bailout = native.Bailout

_SLOTS = {"input": 0, "output": 1, "constant": 2, "workspace": 3, "value": 4}
_JUMPS = ("jump", "branch", "count")
_MALFORMED = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError)


class Program:
    """An artifact for the cpu, loaded.

    Threads may run one program at the same time: each run has a workspace of its own.

    Args:
        artifact: what the cpu target made.
        externals: addresses for symbols that the code does not define; the process's symbols and libm come after these.

    Attributes:
        native: the object that `Dispatcher` variants run.
        inputs, outputs: (dtype, shape) of each buffer.

    Raises:
        ArtifactError: damaged, malformed, for another target, or calling what is not there.
    """

    def __init__(self, artifact: Artifact, externals: Mapping[str, int] | None = None) -> None:
        manifest = artifact.manifest
        if manifest.get("target") != "cpu":
            raise ArtifactError(f"an artifact for {manifest.get('target')!r}, expected 'cpu'")
        artifact.check_machine()
        try:
            self._load(artifact, manifest, dict(externals or {}))
        except native.LoadError as error:
            raise ArtifactError(f"the code cannot be loaded: {error}", hint="compile again") from error
        except _MALFORMED as error:
            raise ArtifactError(
                f"a malformed manifest: {type(error).__name__}: {error}", hint="compile again"
            ) from error

    def _load(self, artifact: Artifact, manifest: dict[str, Any], externals: dict[str, int]) -> None:
        self.inputs = [_tensor(t) for t in manifest["inputs"]]
        self.outputs = [_tensor(t) for t in manifest["outputs"]]
        self._steps: list[dict[str, Any]] = manifest["steps"]
        if manifest["values"]:
            _check_values(self._steps)
        zeroed = _zeroed(self._steps)
        steps: list[tuple[tuple[Any, ...], int]] = []
        holds = self._sizes(manifest)
        calls: dict[int, AtenCall] = {}
        self._numbers: list[int] = []  # of each manifest step among the native ones
        starts: list[int] = []  # the same, of what is put before it
        for number, step in enumerate(self._steps):
            starts.append(len(steps))
            for slot in zeroed.get(number, ()):
                steps.append((("zero", (_slot(slot),), 8), _times(step)))
            self._numbers.append(len(steps))
            if step["op"] == "aten":
                calls[len(steps)] = AtenCall(step)
            steps.append((_native_step(step, holds), _times(step)))
        starts.append(len(steps))
        steps = [
            ((*s[:2], starts[_target(s[2], starts)]), times) if s[0] in _JUMPS else (s, times) for s, times in steps
        ]

        def call_aten(step: int, operands: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            return calls[step](operands)

        sizes = (len(self.inputs), len(self.outputs), manifest["values"], manifest["workspace"], manifest["scratch"])
        ranges = [(offset, size) for offset, size in manifest["constants"]]
        self.native = native.Program(
            artifact.code, artifact.constants, ranges, sizes, tuple(steps), call_aten, externals
        )

    def _sizes(self, manifest: Mapping[str, Any]) -> Callable[[Sequence[Any], int], tuple[int, int]]:
        """`holds(slot, bytes)` for this manifest; see `_native_step`."""
        sizes = {
            "input": [_bytes(t) for t in self.inputs],
            "output": [_bytes(t) for t in self.outputs],
            "constant": [int(size) for _, size in manifest["constants"]],
        }

        def holds(slot: Sequence[Any], size: int) -> tuple[int, int]:
            kind, index = _slot(slot)
            if slot[0] in sizes and not (0 <= index < len(sizes[slot[0]]) and sizes[slot[0]][index] >= size):
                raise ValueError(f"{slot[0]} {index} does not hold {size} bytes")
            if slot[0] == "workspace" and not 0 <= index <= manifest["workspace"] - size:
                raise ValueError(f"the workspace does not hold {size} bytes at {index}")
            return kind, index

        return holds

    def run(self, inputs: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor] | None = None) -> list[torch.Tensor]:
        """Run on contiguous tensors; the outputs are new tensors unless they are given.

        Raises:
            TypeError: a tensor of another dtype, shape or layout than the program was compiled for.
            IndexError: a kernel met an index out of range.
            Bailout: the program gave up.
        """
        if outputs is None:
            outputs = [torch.empty(shape, dtype=dtype) for dtype, shape in self.outputs]
        _check(inputs, self.inputs, "input")
        _check(outputs, self.outputs, "output")
        self.native.run([t.data_ptr() for t in inputs], [t.data_ptr() for t in outputs])
        return list(outputs)

    def set_timing(self, on: bool) -> None:
        """Measure each step of later runs, or stop; measured runs are slightly slower."""
        self.native.timing = on

    def reset_times(self) -> None:
        """Forget what was measured."""
        self.native.reset_times()

    def stats(self) -> list[dict[str, Any]]:
        """One entry a step: its `op`, `name`, `location`, the number of measured `runs`, and `mean_us` and `min_us`.

        A step in a loop has a run in each iteration.
        """
        times = self.native.times()
        rows = []
        for step, number in zip(self._steps, self._numbers, strict=True):
            runs, total, least = times[number]
            rows.append(
                {
                    "op": step["op"],
                    "name": step.get("name") or step.get("callee") or step.get("message", ""),
                    "location": step.get("location", ""),
                    "runs": runs,
                    "mean_us": total / runs / 1e3 if runs else 0.0,
                    "min_us": least / 1e3,
                }
            )
        return rows


def _tensor(description: Mapping[str, Any]) -> tuple[torch.dtype, tuple[int, ...]]:
    type_code(description["dtype"])
    return getattr(torch, description["dtype"]), tuple(int(n) for n in description["shape"])


def _bytes(tensor: tuple[torch.dtype, tuple[int, ...]]) -> int:
    dtype, shape = tensor
    return dtype.itemsize * prod(shape)


def _slot(slot: Sequence[Any]) -> tuple[int, int]:
    return _SLOTS[slot[0]], int(slot[1])


def _times(step: Mapping[str, Any]) -> int:
    return max(1, min(int(step.get("times", 1)), 1 << 40))


def _target(to: int, starts: Sequence[int]) -> int:
    if not 0 <= to < len(starts):
        raise ValueError(f"a jump to step {to} of {len(starts) - 1}")
    return to


def _native_step(step: Mapping[str, Any], holds: Callable[[Sequence[Any], int], tuple[int, int]]) -> tuple[Any, ...]:
    """The native form; `holds(slot, bytes)` is the slot's, which must have that many bytes."""
    match step["op"]:
        case "launch":
            buffers = tuple(_slot(s) for s in step["buffers"])
            return "launch", step["kernel"], buffers, int(step["tasks"]), int(step["cost"])
        case "copy":
            return "copy", (_slot(step["from"]), _slot(step["to"])), int(step["bytes"])
        case "check":
            return "check", (_slot(step["buffer"]),), str(step["message"])
        case "bail":
            message = f"{step['location']}: {step['message']}" if step.get("location") else str(step["message"])
            return "bail", (holds(step["buffer"], 1),), message
        case "jump":
            return "jump", (), int(step["to"])
        case "branch":
            return "branch", (holds(step["condition"], 1),), int(step["to"])
        case "set":
            return "set", (_counter(step["slot"], holds),), int(step["value"])
        case "count":
            return "count", (_counter(step["slot"], holds), holds(step["limit"], 8)), int(step["to"])
        case "aten":
            operands = tuple(
                (_slot(o["slot"]), (*type_code(o["dtype"]), [int(n) for n in o["shape"]])) for o in step["operands"]
            )
            return "aten", operands, tuple(int(r["value"]) for r in step["results"])
        case other:
            raise ValueError(f"unknown step {other!r}")


def _counter(slot: Sequence[Any], holds: Callable[[Sequence[Any], int], tuple[int, int]]) -> tuple[int, int]:
    if slot[0] not in ("workspace", "output"):
        raise ValueError(f"a counter in {slot[0]} {slot[1]}, which programs do not write")
    return holds(slot, 8)


def _check_values(steps: Sequence[Mapping[str, Any]]) -> None:
    """Raise `ValueError` if some way to a step that reads an ATen result does not lead through the call that makes it."""
    everything = -1
    made = [everything] * (len(steps) + 1)  # before each step: bits of the values that exist on all ways
    made[0] = 0
    work = [0] if steps else []
    while work:
        number = work.pop()
        step, here = steps[number], made[number]
        for kind, index in _slots_of(step):
            if kind == "value" and not here >> int(index) & 1:
                raise ValueError(f"step {number} reads value {index} before it is made")
        for result in step.get("results", ()):
            here |= 1 << int(result["value"])
        followers = [] if step["op"] == "jump" else [number + 1]
        followers += [_target(int(step["to"]), made)] if step["op"] in _JUMPS else []
        for follower in followers:
            if made[follower] & here != made[follower]:
                made[follower] &= here
                if follower < len(steps):
                    work.append(follower)


def _slots_of(step: Mapping[str, Any]) -> list[Sequence[Any]]:
    """The slots that a step reads or writes."""
    found = [*step.get("buffers", ()), *(o["slot"] for o in step.get("operands", ()))]
    return found + [
        step[key] for key in ("from", "to", "buffer", "condition", "slot", "limit") if _is_slot(step.get(key))
    ]


def _is_slot(found: Any) -> bool:
    return isinstance(found, Sequence) and not isinstance(found, str)


def _zeroed(steps: Sequence[Mapping[str, Any]]) -> dict[int, list[Sequence[Any]]]:
    """Step number → status buffers to clear before it.

    A status buffer belongs to one launch, the last one before its check that writes it. It is cleared right before:
    until then the memory may hold something else.
    """
    found: dict[int, list[Sequence[Any]]] = {}
    for number, step in enumerate(steps):
        if step["op"] != "check":
            continue
        for back in range(number - 1, -1, -1):
            earlier = steps[back]
            if earlier["op"] == "launch" and step["buffer"] in earlier["buffers"][earlier["inputs"] :]:
                found.setdefault(back, []).append(step["buffer"])
                break
        else:
            raise ValueError(f"no launch writes the status that step {number} checks")
    return found


def _check(tensors: Sequence[torch.Tensor], expected: Sequence[tuple[torch.dtype, tuple[int, ...]]], what: str) -> None:
    if len(tensors) != len(expected):
        raise TypeError(f"{len(tensors)} {what}s, expected {len(expected)}")
    for i, (tensor, (dtype, shape)) in enumerate(zip(tensors, expected, strict=True)):
        seen = (tensor.dtype, tuple(tensor.shape))
        if seen != (dtype, shape) or not tensor.is_contiguous() or tensor.device.type != "cpu" or tensor.is_neg():
            layout = "" if tensor.is_contiguous() else " not contiguous"
            raise TypeError(
                f"{what} {i} is {seen[0]} {list(seen[1])}{layout} on {tensor.device}, expected {dtype} {list(shape)}"
            )
