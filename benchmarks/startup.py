"""Time to the first result in a fresh process: jic without and with its disk cache, and TorchInductor without its own.

    python benchmarks/startup.py [--inductor] [--repeat 3] [--json startup.json]

Each measurement is a process of its own. Importing torch and torch._dynamo is not counted, for either; everything else that the
first call needs is, imports of the compiler included.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = """
import sys, time
import torch, torch._dynamo
def f(a, b, c):
    return torch.relu(a * b + c)
x = [torch.randn(64, 64) for _ in range(3)]
start = time.perf_counter()
if sys.argv[1] == "jic":
    import jic
    g = jic.compile(f)
else:
    g = torch.compile(f)
g(*x)
print(time.perf_counter() - start)
"""


def first_call(contender: str, directory: str) -> float:
    environment = {**os.environ, "JIC_CACHE_DIR": directory, "TORCHINDUCTOR_CACHE_DIR": directory}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, contender], env=environment, capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--inductor", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    cold, warm, other = [], [], []
    for _ in range(options.repeat):
        with tempfile.TemporaryDirectory() as directory:
            cold.append(first_call("jic", directory))
            warm.append(first_call("jic", directory))
    if options.inductor:
        for _ in range(max(1, options.repeat // 3)):
            with tempfile.TemporaryDirectory() as directory:
                other.append(first_call("inductor", directory))
    result = {"jic_cold_s": statistics.median(cold), "jic_warm_s": statistics.median(warm)}
    print(f"jic, cold: {result['jic_cold_s']:.3f} s; second process: {result['jic_warm_s']:.3f} s", end="")
    print(f" ({result['jic_warm_s'] / result['jic_cold_s']:.3f} of it)")
    if other:
        result["inductor_cold_s"] = statistics.median(other)
        ratio = result["jic_cold_s"] / result["inductor_cold_s"]
        print(f"TorchInductor, cold: {result['inductor_cold_s']:.2f} s; jic takes {ratio:.3f} of it")
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
