"""What a call changes besides its result: attributes of objects that outlive it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from .context import Context
from .errors import Unsupported
from .journal import UNDEFINED, Place
from .lists import has_segment
from .values import is_dynamic, same


@dataclass(frozen=True, eq=False)
class Effects:
    """Called with `(result, *values)` after a run: stores the values into `places` and returns the result."""

    places: tuple[Place, ...]

    def __call__(self, found: tuple[Any, ...]) -> Any:
        for place, value in zip(self.places, found[1:], strict=True):
            place.store(value)
        return found[0]


def of(context: Context) -> tuple[Effects | None, list[Any]]:
    """The effects of the trace that ends, and the values that they store.

    Raises:
        Unsupported: an effect that cannot be repeated after each call.
    """
    places: list[Place] = []
    values: list[Any] = []
    for place, before in context.journal.changes(0).items():
        value = place.read()
        if context.is_created(place.owner) or place.owner is context.names or value is before:
            continue
        if place.kind == "cell" or place.kind != "attr":
            if same(before, value):
                continue
            raise Unsupported(
                f"{place.text} outlives the call and is changed", hint="return the new value", effect=True
            )
        if value is UNDEFINED or has_segment(value) or not (is_dynamic(value) or _is_plain(value)):
            raise Unsupported(
                f"{place.text} is assigned a value that is no tensor or number", hint="return it instead", effect=True
            )
        if isinstance(place.owner, torch.nn.Module) and place.key in place.owner._parameters:
            raise Unsupported(f"the parameter {place.text} is assigned", effect=True)
        places.append(place)
        values.append(value)
    return (Effects(tuple(places)), values) if places else (None, [])


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (int, float, bool, str))
