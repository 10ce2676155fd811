"""Random programs of views, writes, containers and control flow: the caller cannot tell compiled ones from eager.

More of them: `python test/aliasing/alias_fuzz.py --programs 3000 --seed 1`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from alias_fuzz import Workshop
from alias_programs import generate


@pytest.mark.parametrize(("door", "seeds"), [("jic", range(20_000, 20_120)), ("torch", range(30_000, 30_030))])
def test_random_programs(door: str, seeds: range, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        workshop = Workshop(tmp_path)
        for seed in seeds:
            program = generate(seed)
            why = workshop.check(program, door, seed)
            assert not why, f"seed {seed}: {why}\n{workshop.shrunk(program, door, seed).show()}"
        if door == "jic":
            assert workshop.counts["signatures compiled"] > len(seeds) // 3
    finally:
        torch.set_num_threads(threads)
        torch._dynamo.reset()
