"""Steps that ATen runs: the operator and its arguments, decoded from the manifest."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from .native_module import native

__all__ = ["AtenCall"]


class AtenCall:
    """A call of an operator on buffers of a running program.

    Args:
        step: an `aten` step of a manifest.

    Raises:
        AttributeError: this torch has no such operator.
        ValueError: an argument that is not of a known encoding.
    """

    def __init__(self, step: Mapping[str, Any]) -> None:
        self._overload = _overload(step["callee"])
        self._arguments = step["arguments"]
        self._keywords = step["keywords"]
        self._results = [(getattr(torch, r["dtype"]), tuple(r["shape"])) for r in step["results"]]
        self._name, self._warned = step["callee"], False
        # Finds a bad encoding when the program is loaded rather than when it runs.
        probe = [None] * len(step["operands"])
        self._decoded(probe)

    def __call__(self, operands: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """The results, contiguous and on memory of their own.

        Raises:
            Bailout: a result of another dtype or shape than the program was compiled for.
        """
        with torch.no_grad():
            arguments, keywords = self._decoded(operands)
            results = self._overload(*arguments, **keywords)
        tensors = [results] if isinstance(results, torch.Tensor) else _flatten(results)
        borrowed = {t.untyped_storage().data_ptr() for t in operands}
        owned = []
        for tensor, (dtype, shape) in zip(tensors, self._results, strict=True):
            if tensor.dtype != dtype or tuple(tensor.shape) != shape:
                raise self._gave_up(f"{tensor.dtype} {list(tensor.shape)}", f"{dtype} {list(shape)}")
            plain = tensor.resolve_conj().resolve_neg().contiguous()
            # A view of an operand would change with the buffer that it lies on.
            owned.append(plain.clone() if plain.untyped_storage().data_ptr() in borrowed else plain)
        return tuple(owned)

    def _gave_up(self, found: str, expected: str) -> Exception:
        """The fake kernel that the program's types are from is wrong about this call; says so once."""
        text = f"{self._name} gave {found}, compiled for {expected}"
        if not self._warned:
            self._warned = True
            warnings.warn(f"jic runs a call eagerly: {text}", stacklevel=2)
        return native.Bailout(text)

    def _decoded(self, operands: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        keywords = {name: _decode(value, operands) for name, value in self._keywords.items()}
        return _decode(self._arguments, operands), keywords


def _overload(callee: str) -> Any:
    found: Any = torch.ops
    for part in callee.removeprefix("torch.").split("."):
        found = getattr(found, part)
    return found


def _flatten(results: Any) -> list[torch.Tensor]:
    if results is None:
        return []
    if isinstance(results, torch.Tensor):
        return [results]
    return [t for r in results for t in _flatten(r)]


def _decode(value: Any, operands: Sequence[Any]) -> Any:
    if isinstance(value, list):
        return [_decode(v, operands) for v in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((kind, content),) = value.items()
        match kind:
            case "operand":
                return operands[operator.index(content)]
            case "dtype" | "layout" | "memory_format":
                return getattr(torch, str(content).removeprefix("torch."))
            case "device":
                return torch.device(content)
            case "float":
                return float(content)
    return {k: _decode(v, operands) for k, v in value.items()}
