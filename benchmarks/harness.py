"""What the benchmarks share: contenders called in turns, medians, a table, JSON.

Every row compares contenders in one process: they are called alternately in short rounds, so that a disturbance of the machine
meets all of them, and the median round counts.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import jic

Call = Callable[[], object]


@dataclass
class Case:
    """One row's work: `function(*arguments)`. `moved` are the bytes it must read and write, `flops` its arithmetic."""

    group: str
    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    moved: float = 0.0
    flops: float = 0.0
    tolerance: float = 1e-4
    extra: dict[str, Call] = field(default_factory=dict)


def arguments_parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--only", help="cases whose group or name contains this")
    parser.add_argument("--inductor", action="store_true", help="measure TorchInductor as well")
    parser.add_argument("--json", help="write the rows to this file")
    return parser


def seconds(call: Call, repeat: int) -> float:
    start = time.perf_counter()
    for _ in range(repeat):
        call()
    return (time.perf_counter() - start) / repeat


def take_turns(calls: dict[str, Call], rounds: int, least: float = 1e-3) -> dict[str, float]:
    """Median seconds of each call; a round of one repeats it for about `least` seconds."""
    repeats = {name: max(1, int(least / max(1e-9, seconds(call, 2)))) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(seconds(call, repeats[name]))
    return {name: statistics.median(values) for name, values in times.items()}


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in _tensors(v)]
    return [t for v in vars(value).values() for t in _tensors(v)] if hasattr(value, "__dict__") else []


def assert_same(found: Any, expected: Any, tolerance: float) -> None:
    """The tensors of both are equal within `tolerance`, in units of the largest magnitude."""
    for ours, eager in zip(_tensors(found), _tensors(expected), strict=True):
        scale = max(1.0, eager.abs().max().item()) if eager.numel() else 1.0
        torch.testing.assert_close(ours / scale, eager / scale, rtol=tolerance, atol=tolerance)


def measure(case: Case, threads: int, rounds: int, inductor: bool) -> dict[str, Any]:
    """One row: checks jic's result against eager's, then times the contenders (µs)."""
    torch.set_num_threads(threads)
    compiled = jic.compile(case.function)
    start = time.perf_counter()
    found = compiled(*case.arguments)
    compile_seconds = time.perf_counter() - start
    assert_same(found, case.function(*case.arguments), case.tolerance)
    calls: dict[str, Call] = {
        "jic": lambda: compiled(*case.arguments),
        "eager": lambda: case.function(*case.arguments),
        **case.extra,
    }
    if inductor:
        torch._dynamo.reset()
        lowered = torch.compile(case.function)
        lowered(*case.arguments)
        calls["inductor"] = lambda: lowered(*case.arguments)
    times = take_turns(calls, rounds)
    row: dict[str, Any] = {"group": case.group, "name": case.name, "threads": threads, "compile_s": compile_seconds}
    row |= {f"{name}_us": t * 1e6 for name, t in times.items()}
    row |= {f"vs_{name}": t / times["jic"] for name, t in times.items() if name != "jic"}
    if case.moved:
        row["jic_gb_s"] = case.moved / times["jic"] * 1e-9
    if case.flops:
        row["jic_gflop_s"] = case.flops / times["jic"] * 1e-9
    return row


def geometric_mean(values: Iterable[float]) -> float:
    logs = [math.log(v) for v in values]
    return math.exp(sum(logs) / len(logs))


def run(cases: Sequence[Case], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure and print all cases, print a summary a group, and write JSON if asked to."""
    rows: list[dict[str, Any]] = []
    contenders: list[str] = []
    with torch.inference_mode():
        for case in cases:
            if options.only and options.only not in case.group and options.only not in case.name:
                continue
            for threads in options.threads:
                row = measure(case, threads, options.rounds, options.inductor)
                rows.append(row)
                contenders = [k.removeprefix("vs_") for k in row if k.startswith("vs_")]
                ratios = "  ".join(f"{c} {row[f'{c}_us']:.1f} us ({row[f'vs_{c}']:.2f}x)" for c in contenders)
                rate = f"  {row['jic_gb_s']:.1f} GB/s" if "jic_gb_s" in row else ""
                rate += f"  {row['jic_gflop_s']:.1f} GF/s" if "jic_gflop_s" in row else ""
                print(f"{case.name:34} {threads} thread(s)  jic {row['jic_us']:.1f} us{rate}  {ratios}", flush=True)
    for group in dict.fromkeys(r["group"] for r in rows):
        for threads in options.threads:
            for c in contenders:
                found = [r[f"vs_{c}"] for r in rows if r["group"] == group and r["threads"] == threads]
                print(
                    f"{group}, {threads} thread(s), against {c}: geometric mean {geometric_mean(found):.3f}, "
                    f"least {min(found):.3f}"
                )
    if options.json:
        machine = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__}
        Path(options.json).write_text(json.dumps({**machine, "rows": rows}, indent=1))
    return rows
