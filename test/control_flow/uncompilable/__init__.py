"""Programs that are not compiled, or only with care."""

from . import conditions, effects, failures, lists, numbers, statements
from ._case import ANY, CASES, EAGER, FALLS_BACK, NOTE, Case

__all__ = [
    "ANY",
    "CASES",
    "Case",
    "EAGER",
    "FALLS_BACK",
    "NOTE",
    "conditions",
    "effects",
    "failures",
    "lists",
    "numbers",
    "statements",
]
