"""What a compiled callable's hot path looks for and does: the Python side of the native dispatcher.

A `Dispatcher` holds variants. A call takes the first whose argument specs, state and captured tensors all match; the
most recently used stands first. When none matches, or a torch dispatch mode is active, `miss(args, kwargs)` gives the
result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal, NamedTuple

import torch

from .native_module import native, type_code
from .program import Program
from .results import (
    Call,
    Choice,
    Constant,
    Container,
    Empty,
    MappingResult,
    Number,
    Once,
    Output,
    ResultSpec,
    SequenceResult,
    Tree,
    View,
    WholeTensor,
    native_result,
)
from .state import Check, Group

__all__ = [
    "ArgumentSpec",
    "Call",
    "Captured",
    "Check",
    "Choice",
    "Constant",
    "Container",
    "Dispatcher",
    "Empty",
    "Group",
    "Ignored",
    "MappingResult",
    "MappingSpec",
    "Number",
    "NumberSpec",
    "Once",
    "Output",
    "ResultSpec",
    "Same",
    "SequenceResult",
    "SequenceSpec",
    "TensorSpec",
    "Tree",
    "Value",
    "Variant",
    "View",
    "WholeTensor",
    "spec_of",
]

_DEVICES = {"cpu": 1, "cuda": 2, "mps": 8}


# Arguments.


@dataclass(frozen=True)
class TensorSpec:
    """A torch.Tensor or Parameter (no subclass). Strides of dims of size 1 do not matter.

    A `bare` one has no attributes that somebody attached.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    requires_grad: bool = False
    bare: bool = False

    @classmethod
    def of(cls, tensor: torch.Tensor) -> TensorSpec:
        """What `tensor` is."""
        return cls(tensor.dtype, tuple(tensor.shape), tuple(tensor.stride()), tensor.device, tensor.requires_grad)

    def native(self) -> tuple[Any, ...]:
        """The form that the native dispatcher reads."""
        if self.device.type not in _DEVICES:
            raise ValueError(f"tensors on {self.device} cannot be dispatched")
        index = self.device.index or 0
        device = _DEVICES[self.device.type]
        return (*type_code(self.dtype), device, index, self.shape, self.strides, self.requires_grad, self.bare)


class NumberSpec(NamedTuple):
    """A Python int or float (no subclass, no bool) that the program reads as a 0-d tensor: int64 or float64.

    Ints match up to `limit` in magnitude.
    """

    type: type
    limit: int = (1 << 63) - 1

    @property
    def tensor(self) -> TensorSpec:
        """What the program reads."""
        return TensorSpec(torch.float64 if self.type is float else torch.int64, (), ())

    def native(self) -> tuple[Any, ...]:
        """The form that the native dispatcher reads."""
        if self.type not in (int, float):
            raise ValueError(f"a number of type {self.type.__name__} cannot be an input")
        return self.type.__name__, self.limit


class Value(NamedTuple):
    """A Python value of exactly this type, equal to this one; floats are compared bit for bit."""

    value: Any


class Same(NamedTuple):
    """This very object."""

    object: Any


class SequenceSpec(NamedTuple):
    """A tuple or list of exactly this type, with these items."""

    type: type
    items: tuple[ArgumentSpec, ...]


class MappingSpec(NamedTuple):
    """A dict with exactly these items, in this order."""

    items: tuple[tuple[Any, ArgumentSpec], ...]


class Ignored(NamedTuple):
    """Anything."""


ArgumentSpec = TensorSpec | NumberSpec | Value | Same | SequenceSpec | MappingSpec | Ignored


def spec_of(value: Any) -> ArgumentSpec:
    """The spec that `value` matches.

    A `NumberSpec` among the values stands for itself. Tensors match by dtype, shape and the like, containers item by item,
    None, numbers, strings, dtypes and the like by value, anything else by identity.

    Raises:
        ValueError: a tensor that no variant can match (a subclass, another layout, an unknown dtype or device, a view
            whose memory holds other values).
    """
    if isinstance(value, torch.Tensor):
        if type(value) not in (torch.Tensor, torch.nn.Parameter) or value.layout is not torch.strided:
            raise ValueError(f"a {type(value).__name__} of layout {value.layout} cannot be dispatched")
        if value.is_neg() or value.is_conj():
            raise ValueError("a view with a negative or conjugate bit cannot be dispatched")
        spec = TensorSpec.of(value)
        spec.native()
        return spec
    if isinstance(value, NumberSpec):
        return value
    if isinstance(value, tuple | list):
        return SequenceSpec(type(value), tuple(spec_of(v) for v in value))
    if type(value) is dict:
        return MappingSpec(tuple((k, spec_of(v)) for k, v in value.items()))
    if value is None or isinstance(
        value, bool | int | float | complex | str | bytes | torch.dtype | torch.device | torch.memory_format | slice
    ):
        return Value(value)
    return Same(value)


@dataclass(frozen=True, eq=False)
class Captured:
    """A tensor or number that the callable reads besides its arguments: `tensor`, or what the state's checks of its number fetch.

    `source` is what was there, or where, when the variant was made; the dispatcher does not look at it.
    """

    spec: TensorSpec | NumberSpec
    tensor: torch.Tensor | None = None
    source: Any = None

    def native(self) -> tuple[Any, ...]:
        """The form that the native dispatcher reads."""
        if isinstance(self.spec, NumberSpec):
            return self.tensor, self.spec.tensor.native(), self.spec.native()
        return self.tensor, self.spec.native(), None


@dataclass(frozen=True, eq=False)
class Variant:
    """One way to answer a call.

    Attributes:
        arguments, keywords: what the call must look like; a keyword's position in the call does not matter.
        state, captured: what must hold besides, and the tensors read besides.
        program: what runs, with `inputs` (numbers of the call's tensors) as its inputs. Inputs that are not contiguous
            are copied first.
        callable: what is called with the call's own arguments instead of a program.
        bail: what is called with the call's own arguments when the program gives up; its outputs are dropped then, and nothing is
            copied. Without it the call raises `Bailout`.
        result: what the call returns.
        geometry: output → size and stride of the tensor that it becomes, whose memory it fills in order; of an output that is
            not named here, the program's own shape, row-major.
        copies: (output, tensor) pairs; the output's values are copied into the tensor after the run. Such a variant
            does not match when the tensor shares memory with another one of the call.
        grad: `off` matches when grad mode is off, or each tensor's requires_grad is as in its spec; `required` needs
            grad mode and requires_grad as in the specs; `any` looks at neither.
        tag: what `Dispatcher.variants` shows.
    """

    arguments: tuple[ArgumentSpec, ...] = ()
    keywords: Mapping[str, ArgumentSpec] = field(default_factory=dict)
    state: Sequence[Group] = ()
    captured: Sequence[Captured] = ()
    program: Program | None = None
    callable: Callable[..., Any] | None = None
    bail: Callable[..., Any] | None = None
    inputs: Sequence[int] = ()
    result: ResultSpec = Constant(None)
    geometry: Mapping[int, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    copies: Sequence[tuple[int, int]] = ()
    grad: Literal["off", "required", "any"] = "off"
    tag: Any = None

    def tensors(self) -> list[TensorSpec]:
        """The specs of the call's tensors, by number: arguments, keyword arguments in `keywords`' order, captured."""
        found = [t for a in (*self.arguments, *self.keywords.values()) for t in _tensors(a)]
        return found + [c.spec.tensor if isinstance(c.spec, NumberSpec) else c.spec for c in self.captured]

    def native(self) -> dict[str, Any]:
        """The form that the native dispatcher reads.

        Raises:
            TypeError: a program's input or output is not what its spec says.
        """
        outputs: tuple[Any, ...] = ()
        if self.program is not None:
            tensors = self.tensors()
            for number, expected in zip(self.inputs, self.program.inputs, strict=True):
                spec = tensors[number]
                if (spec.dtype, spec.shape) != expected:
                    raise TypeError(f"tensor {number} is {spec.dtype} {list(spec.shape)}, the program reads {expected}")
            outputs = tuple(
                TensorSpec(d, *self.geometry.get(i, (s, _contiguous(s)))).native()
                for i, (d, s) in enumerate(self.program.outputs)
            )
            for i, (size, _) in self.geometry.items():
                if prod(size) != prod(self.program.outputs[i][1]):
                    raise TypeError(f"output {i} has shape {self.program.outputs[i][1]}, its tensor {size}")
        return {
            "arguments": tuple(_argument(a) for a in self.arguments),
            "keywords": tuple((k, _argument(a)) for k, a in self.keywords.items()),
            "state": tuple(g.native() for g in self.state),
            "captured": tuple(c.native() for c in self.captured),
            "program": None if self.program is None else self.program.native,
            "callable": self.callable,
            "bail": self.bail,
            "inputs": tuple(self.inputs),
            "outputs": outputs,
            "result": native_result(self.result),
            "copies": tuple(self.copies),
            "grad": self.grad,
            "tag": self.tag,
        }


class Dispatcher(native.Dispatcher):
    """A callable that answers by its first matching variant, else by `miss(args, kwargs)`.

    Like a function it binds as a method when it is found on a class. `hits` and `misses` count calls; `variants` lists
    `(tag, hits)`, the most recently used first; `clear()` drops all variants.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if cls.__call__ is Dispatcher.__call__:
            native.enable_vectorcall(cls)

    def add(self, variant: Variant) -> None:
        """Put `variant` in front.

        Raises:
            TypeError, ValueError: parts that do not fit each other.
        """
        super().add(variant.native())


native.enable_vectorcall(Dispatcher)


def _tensors(spec: ArgumentSpec) -> Iterator[TensorSpec]:
    match spec:
        case TensorSpec():
            yield spec
        case NumberSpec():
            yield spec.tensor
        case SequenceSpec():
            for item in spec.items:
                yield from _tensors(item)
        case MappingSpec():
            for _, item in spec.items:
                yield from _tensors(item)


def _contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def _argument(spec: ArgumentSpec) -> tuple[Any, ...]:
    match spec:
        case TensorSpec():
            return "tensor", spec.native()
        case NumberSpec():
            return "number", spec.native(), spec.tensor.native()
        case Value():
            return "value", spec.value
        case Same():
            return "same", spec.object
        case SequenceSpec():
            return "sequence", spec.type, tuple(_argument(i) for i in spec.items)
        case MappingSpec():
            return "mapping", tuple((k, _argument(i)) for k, i in spec.items)
        case Ignored():
            return ("ignored",)
    raise TypeError(f"not an argument spec: {spec!r}")
