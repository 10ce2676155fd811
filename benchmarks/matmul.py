"""Matrix products through `jic.compile` beside eager PyTorch (MKL), in one process.

    python benchmarks/matmul.py [--threads 1 2] [--rounds 20] [--json results.json] [--only linear]

Calls of the two alternate in short rounds; a row shows the median over the rounds of each (or, on a machine that does
other work too, the least: `--statistic min`), and the ratio of the two.
`linear` rows are `gelu(linear(x))` with a weight stored [out, in]; `rows` are `linear` of few rows; `mlp` is 64 wide;
`batched` are the two products of attention.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import nn

import jic

Case = tuple[str, str, Callable[..., torch.Tensor], tuple[torch.Tensor, ...], float]
"""group, name, function, arguments, floating-point operations"""


def linear_gelu(m: int, n: int, k: int) -> Case:
    layer = nn.Linear(k, n)
    return (
        "linear",
        f"gelu(linear) {m}x{n}x{k}",
        lambda x: nn.functional.gelu(layer(x)),
        (torch.randn(m, k),),
        2.0 * m * n * k,
    )


def few_rows(m: int, n: int, k: int) -> Case:
    layer = nn.Linear(k, n)
    return "rows", f"linear {m}x{n}x{k}", lambda x: layer(x), (torch.randn(m, k),), 2.0 * m * n * k


def mlp(batch: int, width: int = 64) -> Case:
    layers = nn.Sequential(
        nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
    )
    return "mlp", f"mlp {batch}x{width}", lambda x: layers(x), (torch.randn(batch, width),), 6.0 * batch * width * width


def attention_products(batch: int, length: int, width: int) -> Iterator[Case]:
    q, k = torch.randn(batch, length, width), torch.randn(batch, length, width)
    p = torch.randn(batch, length, length)
    flops = 2.0 * batch * length * length * width
    yield "batched", f"scores {batch}x{length}x{width}", lambda a, b: a @ b.mT, (q, k), flops
    yield "batched", f"values {batch}x{length}x{width}", lambda a, b: a @ b, (p, k), flops


def cases() -> Iterator[Case]:
    for size in (256, 512, 768, 1024):
        yield linear_gelu(size, size, size)
    yield linear_gelu(512, 3072, 768)
    yield linear_gelu(512, 768, 3072)
    for rows in (1, 4, 16, 64):
        yield few_rows(rows, 768, 768)
    for batch in (1, 16, 64, 256):
        yield mlp(batch)
    yield from attention_products(96, 64, 32)
    yield from attention_products(12, 512, 64)


def seconds(function: Callable[..., torch.Tensor], arguments: tuple[torch.Tensor, ...], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        function(*arguments)
    return (time.perf_counter() - start) / calls


def measure(case: Case, threads: int, rounds: int, statistic: Callable[[list[float]], float]) -> dict[str, object]:
    group, name, function, arguments, flops = case
    torch.set_num_threads(threads)
    compiled = jic.compile(function)
    expected, found = function(*arguments), compiled(*arguments)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    # rounds long enough for the clock, short enough that a disturbance meets both sides
    calls = max(1, int(2e-3 / seconds(function, arguments, 3)))
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for side, run in zip(times, (compiled, function), strict=True):
            side.append(seconds(run, arguments, calls))
    ours, eager = (statistic(side) for side in times)
    return {
        "group": group,
        "name": name,
        "threads": threads,
        "jic_us": ours * 1e6,
        "eager_us": eager * 1e6,
        "jic_gflops": flops / ours * 1e-9,
        "eager_gflops": flops / eager * 1e-9,
        "speedup": eager / ours,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--statistic", choices=("median", "min"), default="median")
    parser.add_argument("--only", help="one group: linear, rows, mlp or batched")
    parser.add_argument("--json", help="write the rows to this file")
    options = parser.parse_args()
    statistic = min if options.statistic == "min" else statistics.median
    torch.manual_seed(0)
    rows = []
    print(f"{'case':34} {'threads':>7} {'jic':>11} {'eager':>11} {'jic':>7} {'eager':>7} {'speed-up':>8}")
    with torch.inference_mode():
        for case in cases():
            if options.only not in (None, case[0]):
                continue
            for threads in options.threads:
                row = measure(case, threads, options.rounds, statistic)
                rows.append(row)
                print(
                    f"{row['name']:34} {threads:7} {row['jic_us']:9.1f}us {row['eager_us']:9.1f}us"
                    f" {row['jic_gflops']:7.1f} {row['eager_gflops']:7.1f} {row['speedup']:8.3f}",
                    flush=True,
                )
    for group in dict.fromkeys(str(row["group"]) for row in rows):
        for threads in options.threads:
            found = [float(r["speedup"]) for r in rows if r["group"] == group and r["threads"] == threads]
            mean = math.exp(sum(map(math.log, found)) / len(found))
            print(f"{group}, {threads} thread(s): geometric mean {mean:.3f}, least {min(found):.3f}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
