"""Compares compiled random programs with eager, through both doors.

`python test/aliasing/alias_fuzz.py --programs 3000 --seed 1`
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
from alias_programs import BREAK, Program, generate
from outcomes import Outcome

import jic

DOORS = ("jic", "torch")
_UNCACHED = jic.JitConfig(enable_caching=False)


class Workshop:
    """Turns programs into modules, compiles them, and compares.

    Attributes:
        counts: programs, differences, and signatures compiled or run eagerly.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.number = 0
        self.counts: Counter[str] = Counter()

    def load(self, text: str) -> ModuleType:
        self.number += 1
        path = self.directory / f"aliasing_program_{self.number}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        return module

    def compiled(self, function: Callable[..., Any], door: str) -> Callable[..., Any]:
        if door == "jic":
            return jic.compile(function, config=_UNCACHED)
        torch._dynamo.reset()
        return torch.compile(function, backend="eager" if door == "dynamo" else "jic", dynamic=False)

    def difference(self, program: Program, door: str, seed: int) -> str:
        """How the compiled program differs from eager in one of four calls; empty if in none."""
        text = program.text()
        eager, ours = self.load(text), self.load(text)
        function = self.compiled(ours.program, door)
        draw = random.Random(seed)
        # What comes out of a loop or branch has memory of its own size, and lies densely in it (docs/usage.md).
        layouts = not any("\n" in statement for statement in program.body)
        for c in (1.0, -1.0, 2.0, 1.0):
            writes = [(draw.randrange(1 << 20), draw.randrange(4)) for _ in range(3)]
            expected = Outcome(eager.program, program.make_arguments(c), [eager.G, eager.H], writes, layouts)
            found = Outcome(function, program.make_arguments(c), [ours.G, ours.H], writes, layouts)
            if why := expected.difference(found):
                return f"c = {c}: {why}"
        if door == "jic":
            for signature in function.stats()["signatures"]:  # type: ignore[attr-defined]
                self.counts["signatures run eagerly" if signature["eager"] else "signatures compiled"] += 1
        return ""

    def check(self, program: Program, door: str, seed: int) -> str:
        """The difference, unless Dynamo alone makes it too."""
        if door == "jic":  # a print makes the whole call eager, and breaks Dynamo's graph
            program = Program(program.arguments, [s for s in program.body if s != BREAK] or ["pass"], program.result)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                why = self.difference(program, door, seed)
                if "not resizable" in why:  # as docs/usage.md says
                    self.counts["memory that cannot be resized"] += 1
                    return ""
                if why and door == "torch" and self.difference(program, "dynamo", seed):
                    self.counts["Dynamo's own differences"] += 1
                    return ""
            except Exception as error:  # in the comparison itself
                why = f"{type(error).__name__}: {error}"
        self.counts[f"programs through {door}.compile"] += 1
        return why

    def shrunk(self, program: Program, door: str, seed: int) -> Program:
        """A part of the program that still differs."""
        smaller = True
        while smaller:
            smaller = False
            for i in reversed(range(len(program.body))):
                fewer = Program(program.arguments, program.body[:i] + program.body[i + 1 :], program.result)
                lines = program.body[i].split("\n")
                candidates = [fewer]
                for k in (k for k in range(1, len(lines)) if "n += 1" not in lines[k]):  # or a while never ends
                    statement = "\n".join(lines[:k] + lines[k + 1 :])
                    candidates.append(
                        Program(
                            program.arguments, [*program.body[:i], statement, *program.body[i + 1 :]], program.result
                        )
                    )
                for candidate in candidates:
                    if self._runs(candidate) and self.check(candidate, door, seed):
                        program, smaller = candidate, True
                        break
        return program

    def _runs(self, program: Program) -> bool:
        try:
            self.load(program.text()).program(*program.make_arguments(1.0))
        except (NameError, SyntaxError, UnboundLocalError):
            return False
        except Exception:
            return True
        return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--doors", default=",".join(DOORS))
    parser.add_argument("--no-shrinking", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    differences = 0
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        workshop = Workshop(Path(directory))
        for seed in range(options.seed, options.seed + options.programs):
            if (done := seed - options.seed) and done % 250 == 0:
                print(f"{done} programs, {differences} different", flush=True)
            program = generate(seed)
            for door in options.doors.split(","):
                if why := workshop.check(program, door, seed):
                    differences += 1
                    small = program if options.no_shrinking else workshop.shrunk(program, door, seed)
                    why = workshop.check(small, door, seed) or why
                    print(f"---- seed {seed}, {door}.compile: {why}\n{small.show()}", flush=True)
        print(dict(workshop.counts), f"{time.perf_counter() - start:.0f} s", f"{differences} different", sep="\n")
    return min(differences, 1)


if __name__ == "__main__":
    sys.exit(main())
