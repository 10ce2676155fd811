"""What calls look like and what results are made of, as JSON: `dispatch`'s specs, in both directions. See docs/artifact.md."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .. import dispatch as d
from .values import decode, dtype, encode

__all__ = ["argument_form", "argument_of", "result_form", "result_of", "tensor_form"]

_NUMBERS: dict[str, type] = {"int": int, "float": float}
_SEQUENCES: dict[str, type] = {"tuple": tuple, "list": list}
_MAPPINGS: dict[str, type] = {"dict": dict, "ordered_dict": collections.OrderedDict}


def tensor_form(spec: d.TensorSpec) -> dict[str, Any]:
    return {
        "dtype": str(spec.dtype).removeprefix("torch."),
        "shape": list(spec.shape),
        "strides": list(spec.strides),
        "device": str(spec.device),
    }


def argument_form(spec: d.ArgumentSpec) -> Any:
    """Raises `ValueError` for what only the process itself can recognize."""
    match spec:
        case d.TensorSpec():
            return {"tensor": tensor_form(spec)}
        case d.NumberSpec():
            return {"number": spec.type.__name__, "limit": spec.limit}
        case d.Value():
            return {"value": encode(spec.value)}
        case d.SequenceSpec():
            if spec.type not in (tuple, list):
                raise ValueError(f"a {spec.type.__qualname__} is taken, which is no plain tuple or list")
            return {spec.type.__name__: [argument_form(i) for i in spec.items]}
        case d.MappingSpec():
            return {"dict": [[encode(k), argument_form(i)] for k, i in spec.items]}
        case d.Same():
            raise ValueError(f"a {type(spec.object).__qualname__} is taken, which is known by its identity")
    raise ValueError(f"no form for {spec!r}")


def argument_of(form: Any) -> d.ArgumentSpec:
    """The inverse of `argument_form`. Raises `ValueError`, `TypeError`, `KeyError` or `AttributeError` for no form."""
    if "number" in form:
        return d.NumberSpec(_NUMBERS[form["number"]], int(form["limit"]))
    ((kind, content),) = form.items()
    if kind == "tensor":
        shape, strides = _integers(content["shape"]), _integers(content["strides"])
        if len(shape) != len(strides) or min(shape, default=0) < 0:
            raise ValueError("a tensor whose shape and strides do not fit each other")
        return d.TensorSpec(dtype(content["dtype"]), shape, strides, torch.device(content["device"]))
    if kind == "value":
        return d.Value(decode(content))
    if kind == "dict":
        return d.MappingSpec(tuple((decode(k), argument_of(i)) for k, i in content))
    return d.SequenceSpec(_SEQUENCES[kind], tuple(argument_of(i) for i in content))


def result_form(spec: d.ResultSpec, numbers: Callable[[int], int]) -> Any:
    """Tensor k of the call is written as `numbers(k)`. Raises `ValueError` for an object that JSON cannot say."""

    def form(spec: d.ResultSpec) -> Any:
        return result_form(spec, numbers)

    match spec:
        case d.Output():
            return {"output": spec.index}
        case d.WholeTensor():
            return {"tensor": numbers(spec.index)}
        case d.View():
            place = {"size": list(spec.size), "strides": list(spec.stride), "offset": spec.offset}
            return {"view": form(spec.base), **place}
        case d.Number():
            return {"number": form(spec.item)}
        case d.Empty():
            name = str(spec.dtype).removeprefix("torch.")
            return {"empty": {"dtype": name, "shape": list(spec.size), "strides": list(spec.stride)}}
        case d.Container():
            return {"container": spec.index}
        case d.Once():
            return {"once": spec.number, "item": form(spec.item)}
        case d.Choice():
            return {"choice": spec.index, "items": [form(i) for i in spec.items]}
        case d.Constant():
            try:
                return {"constant": encode(spec.value)}
            except ValueError as error:
                raise ValueError(f"the result is, or holds, an object that outlives the call: {error}") from None
        case d.SequenceResult():
            if spec.type is torch.Size:
                return {"size": [form(i) for i in spec.items]}
            if spec.type in (tuple, list):
                return {spec.type.__name__: [form(i) for i in spec.items]}
        case d.MappingResult():
            name = "dict" if spec.type is dict else "ordered_dict"
            return {name: [[encode(k), form(i)] for k, i in spec.items]}
        case d.Tree():
            name = getattr(spec.spec.type, "__name__", "")
            if getattr(torch.return_types, name, None) is spec.spec.type:
                return {"return_type": name, "items": [form(i) for i in spec.items]}
            kind = spec.spec.type if isinstance(spec.spec.type, type) else spec.spec.context
            raise ValueError(f"the result is, or holds, a {getattr(kind, '__qualname__', kind)}")
    raise ValueError(f"the result is, or holds, what only Python can make: {spec!r}"[:200])


def result_of(form: Any) -> d.ResultSpec:
    """The inverse of `result_form`. Raises `ValueError`, `TypeError`, `KeyError` or `AttributeError` for no form."""
    kind = next(iter(form))
    content = form[kind]
    match kind:
        case "output":
            return d.Output(int(content))
        case "tensor":
            return d.WholeTensor(int(content))
        case "view":
            base = result_of(content)
            if not isinstance(base, (d.Output, d.WholeTensor)):
                raise ValueError("a view of what is no tensor")
            return d.View(base, _integers(form["size"]), _integers(form["strides"]), int(form["offset"]))
        case "number":
            return d.Number(result_of(content))
        case "empty":
            return d.Empty(dtype(content["dtype"]), _integers(content["shape"]), _integers(content["strides"]))
        case "container":
            return d.Container(int(content))
        case "once":
            return d.Once(int(content), result_of(form["item"]))
        case "choice":
            return d.Choice(int(content), _results(form["items"]))
        case "constant":
            return d.Constant(decode(content))
        case "tuple" | "list":
            return d.SequenceResult(_SEQUENCES[kind], _results(content))
        case "size":
            return d.SequenceResult(torch.Size, _results(content))
        case "dict" | "ordered_dict":
            return d.MappingResult(tuple((decode(k), result_of(i)) for k, i in content), _MAPPINGS[kind])
        case "return_type":
            type_ = getattr(torch.return_types, content)
            if not isinstance(type_, type) or type_.__module__ != "torch.return_types":
                raise ValueError(f"torch.return_types.{content} is no type")
            return d.SequenceResult(type_, _results(form["items"]))
    raise ValueError(f"a result of the unknown form {kind!r}")


def _results(forms: Sequence[Any]) -> tuple[d.ResultSpec, ...]:
    return tuple(map(result_of, forms))


def _integers(numbers: Sequence[Any]) -> tuple[int, ...]:
    if not all(type(n) is int for n in numbers):
        raise TypeError("expected integers")
    return tuple(numbers)
