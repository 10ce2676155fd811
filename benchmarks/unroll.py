"""What unrolling loops by a factor brings: the loops of `loops.py` with `jic-unroll-loops` in the pipeline, and without.

    python benchmarks/unroll.py [--factors 1 2 4 8] [--only NAME] [--threads 1] [--rounds 9]

Times are medians of calls that take turns; factor 1 is the default pipeline.
"""

from __future__ import annotations

import argparse
from unittest import mock

import loops
import torch
from control_flow import UNCACHED, same_results
from harness import Call, take_turns

import jic
from jic.targets import pipelines
from jic.targets.cpu import pipeline


def unrolled(work: loops.Work, factor: int) -> Call:
    """The compiled program, its loops unrolled by `factor` after all other loop passes; its results are checked."""
    more = f",jic-unroll-loops{{factor={factor} full=0}},{pipelines.SIMPLIFY}" if factor > 1 else ""
    compiled = jic.compile(work.function, config=UNCACHED)
    with mock.patch.object(pipeline, "LOOPS", pipeline.LOOPS + more):
        same_results(work, compiled(*work.arguments), work.function(*work.arguments))
    return lambda: compiled(*work.arguments)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--only", nargs="+", help="rows whose name contains one of these")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    with torch.inference_mode():
        for work in loops.works():
            if options.only and not any(text in work.name for text in options.only):
                continue
            calls = {str(factor): unrolled(work, factor) for factor in options.factors}
            times = take_turns(calls, options.rounds)
            print(f"{work.name:26}", "  ".join(f"x{f} {1e6 * t:.1f} us" for f, t in times.items()), flush=True)


if __name__ == "__main__":
    main()
