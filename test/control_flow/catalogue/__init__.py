"""The catalogue of programs with control flow, a file for each form of statement."""

from . import branches, calls, carried, choices, counted, exits, higher_order, science, sequences, updates, whiles
from ._program import CATALOGUE, Program

__all__ = [
    "CATALOGUE",
    "Program",
    "branches",
    "calls",
    "carried",
    "choices",
    "counted",
    "exits",
    "higher_order",
    "science",
    "sequences",
    "updates",
    "whiles",
]
