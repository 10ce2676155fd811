"""Random programs whose state is edited at random between calls: compiled they give what eager gives.

    python test/api/stale/mutation_fuzzer.py --programs 3000 --edits 5 --seed 1

prints each program that differs, shrunk, with its edits; and how many calls ran compiled.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from checking import assert_like
from support.random_edits import Writer
from support.random_state import Case
from support.twins import Outcome, Twins, kind_of

# Rounding differs where ops are fused; a stale value differs by much more.
_FACTOR = 1000.0


@dataclass
class Difference:
    """A call that differs. `fresh`: it differs as well if it is compiled anew, so it is no matter of state."""

    case: Case
    text: str
    fresh: bool

    def __str__(self) -> str:
        kind = "wrong, also if compiled anew" if self.fresh else "stale"
        return f"---- {kind} ----\n{self.case}\n# {self.text}\n"


@dataclass
class Counts:
    programs: int = 0
    calls: int = 0
    raised: int = 0
    compiled: int = 0
    signatures: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Of the calls that give a value, those that ran compiled."""
        return self.compiled / max(1, self.calls - self.raised)

    def __str__(self) -> str:
        stale = sum(not d.fresh for d in self.differences)
        lines = [
            f"{self.programs} programs, {self.calls} calls ({self.raised} raise), {self.signatures} signatures, "
            f"{100 * self.share:.1f} % of calls compiled: {stale} stale, {len(self.differences) - stale} wrong"
        ]
        lines += [f"    {count:5} programs run eagerly: {reason}" for reason, count in self.reasons.most_common(12)]
        return "\n".join(lines)


def difference(expected: Outcome, found: Outcome) -> str:
    """How two outcomes differ; '' if they do not."""
    if expected.error is not None or found.error is not None:
        same = kind_of(expected.error) == kind_of(found.error)
        return "" if same else f"eager gave {expected}, compiled {found}"
    try:
        assert_like(found.value, expected.value, factor=_FACTOR)
    except (AssertionError, TypeError) as error:
        return f"{str(error).strip().splitlines()[0] if str(error) else 'another structure'}: {expected} and {found}"
    return ""


def run(case: Case, directory: Path, seed: int, counts: Counts, fresh: bool = False) -> Difference | None:
    """Call, edit, call, ...; ends at the first difference. `fresh`: compile anew after each edit."""
    os.environ.pop("JIC_FUZZ", None)
    generator = torch.Generator().manual_seed(seed)
    try:
        twins = Twins(directory, case.sources(), limit=256)
    except Exception as error:  # shrinking removed what the program needs
        return None if not isinstance(error, SyntaxError) else _unparsed(case, error)
    try:
        for step, edit in enumerate(("", *case.edits)):
            if edit:
                for program in (twins.eager, twins.compiled):
                    with contextlib.suppress(Exception):  # not every edit suits what earlier ones left
                        program.edit(edit)
            if fresh:
                twins.renew()
            for again in range(2):
                x = torch.randn(3, 4, dtype=torch.float64, generator=generator)
                expected, found = twins.call(x)
                counts.calls += 1
                counts.raised += expected.error is not None
                if text := difference(expected, found):
                    twins.renew()
                    still = bool(difference(*twins.call(x)))
                    done = replace(case, edits=case.edits[:step])
                    return Difference(done, f"call {again} after edit {step - 1}: {text}", still)
    finally:
        counts.compiled += twins.compiled_calls
        counts.signatures += len(twins.entries)
        counts.reasons.update({_general(reason) for reason in twins.reasons})
        twins.unload()
    return None


def _unparsed(case: Case, error: SyntaxError) -> Difference:
    return Difference(case, f"the generator wrote this: {error}", True)


def _general(reason: str) -> str:
    return reason.replace("\n", " ")[:110]


def shrunk(found: Difference, directory: Path, seed: int, seconds: float = 20.0) -> Difference:
    """A difference of the same kind in a smaller program."""
    end = time.monotonic() + seconds
    smaller = True
    while smaller and time.monotonic() < end:
        smaller = False
        for case in found.case.simpler():
            other = run(case, directory, seed, Counts())
            if other is not None and other.fresh == found.fresh and len(str(other.case)) < len(str(found.case)):
                found, smaller = other, True
                break
            if time.monotonic() > end:
                break
    return found


def fuzz(
    programs: int,
    edits: int,
    seed: int,
    seconds: float = float("inf"),
    failures: int = 20,
    first: int = 0,
    fresh: bool = False,
) -> Iterator[Counts]:
    """Run programs `first`, `first` + 1, … of `seed`; yields the counts so far after each."""
    counts = Counts()
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as name, torch.no_grad(), _quiet():
        directory = Path(name)
        for number in range(first, first + programs):
            case = Writer(random.Random(f"{seed} {number}")).case(edits)
            found = run(case, directory, number, counts, fresh)
            counts.programs += 1
            if found is not None:
                found = shrunk(found, directory, number)
                counts.differences.append(replace(found, text=f"{found.text}\n# (seed {seed}, program {number})"))
            if number % 50 == 0:
                gc.collect()
            yield counts
            if time.monotonic() > end or len(counts.differences) >= failures:
                return


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's log of errors, and its warnings, that programs provoke on purpose."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        os.environ.pop("JIC_FUZZ", None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=3000)
    parser.add_argument("--edits", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first program")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after that time")
    parser.add_argument("--fresh", action="store_true", help="compile anew after each edit: nothing can be stale")
    parser.add_argument("--failures", type=int, default=20, help="stop after that many programs that differ")
    options = parser.parse_args()
    counts, shown, start = Counts(), 0, time.monotonic()
    for counts in fuzz(**vars(options)):
        for found in counts.differences[shown:]:
            print(found, flush=True)
        shown = len(counts.differences)
    print(f"{counts}\n{time.monotonic() - start:.0f} s")
    return 1 if counts.differences else 0


if __name__ == "__main__":
    sys.exit(main())
