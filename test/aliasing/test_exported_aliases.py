"""Random programs of views, writes, containers and control flow, run from a file: the caller sees what eager shows.

What the program changes outside of its arguments is its own in a file, so that only arguments and results are compared.
"""

from __future__ import annotations

import random
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from alias_fuzz import Workshop
from alias_programs import BREAK, Program, generate
from outcomes import Outcome

import jic
from jic.errors import ConfigError, ExportError, ProgramError, SignatureError

VALUES = (1.0, -1.0, 2.0)


def exported(function: Any, program: Program, path: Path) -> Any:
    """The program for all kinds of calls that it will get, from a file."""
    examples: list[tuple[Any, ...]] = []
    for c in VALUES:
        try:
            tried = [*examples, tuple(program.make_arguments(c))]
            jic.export(function, path=path, signatures=[(e, {}) for e in tried])
            examples = tried
        except ConfigError as error:
            assert "two signatures are the same" in error.message
    return jic.load(jic.export(function, path=path, signatures=[(e, {}) for e in examples]))


def difference(workshop: Workshop, program: Program, seed: int, counts: Counter[str]) -> str:
    text = program.text()
    eager, ours = workshop.load(text), workshop.load(text)
    try:
        loaded = exported(ours.program, program, workshop.directory / "program.jic")
    except ExportError:
        counts["refused"] += 1
        return ""
    draw = random.Random(seed)
    for c in (*VALUES, 1.0):
        writes = [(draw.randrange(1 << 20), draw.randrange(4)) for _ in range(3)]
        expected = Outcome(eager.program, program.make_arguments(c), [], writes)
        found = Outcome(loaded, program.make_arguments(c), [], writes)
        if found.error in (ProgramError.__name__, SignatureError.__name__):  # it says so, and has changed nothing
            counts[found.error] += 1
            return ""
        if why := expected.difference(found):
            return "" if "not resizable" in why else f"c = {c}: {why}"
    counts["same"] += 1
    return ""


def check(directory: Path, seeds: range) -> Counter[str]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    workshop, counts = Workshop(directory), Counter()
    try:
        for seed in seeds:
            program = generate(seed)
            program = Program(program.arguments, [s for s in program.body if s != BREAK] or ["pass"], program.result)
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                why = difference(workshop, program, seed, counts)
            assert not why, f"seed {seed}: {why}\n{program.show()}"
    finally:
        torch.set_num_threads(threads)
    return counts


def test_random_programs(tmp_path: Path) -> None:
    counts = check(tmp_path, range(4000, 4030))
    assert counts["same"] > 5, counts
