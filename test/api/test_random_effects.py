"""Random programs with effects do, compiled, what they do in eager.

`JIC_RANDOM_EFFECTS=1000 pytest test/api/test_random_effects.py` tries as many.
"""

from __future__ import annotations

import os
from pathlib import Path

from random_effects import check

COUNT = int(os.environ.get("JIC_RANDOM_EFFECTS", "24"))


def test_random_programs(tmp_path: Path) -> None:
    signatures = eager = 0
    for seed in range(COUNT):
        found = check(seed, tmp_path)
        signatures, eager = signatures + found[0], eager + found[1]
    assert eager <= signatures * 0.4, f"{eager} of {signatures} signatures run eagerly"
