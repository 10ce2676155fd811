"""A 2-layer transformer encoder called from the C program `examples/c/encoder.c`, and from Python.

python benchmarks/c_program.py [--threads 1 2] [--rounds 15]

Builds the library and the example with cmake in a temporary folder. The two take turns, each in a process of its own, with 40
calls a turn; the median call of a turn counts, and of these the median turn.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

import jic

ROOT = Path(__file__).resolve().parent.parent
CALLS = 40


def build(folder: Path) -> None:
    def cmake(*arguments: object) -> None:
        subprocess.run(["cmake", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)

    cmake("-S", ROOT, "-B", folder / "library", "-DJIC_CORE_ONLY=ON")
    cmake("--build", folder / "library", "--parallel")
    cmake("--install", folder / "library", "--prefix", folder / "prefix")
    cmake("-S", ROOT / "examples/c", "-B", folder, f"-DCMAKE_PREFIX_PATH={folder / 'prefix'}")
    cmake("--build", folder)
    subprocess.run([sys.executable, str(ROOT / "examples/c/export.py"), str(folder)], check=True)


def from_c(folder: Path, threads: int) -> float:
    """Microseconds of the median call."""
    command = [folder / "encoder", folder / "encoder.jic", folder / "tokens.f32", folder / "out.f32", CALLS, threads]
    said = subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout
    found = re.search(r"([\d.]+) us a call", said)
    assert found, said
    return float(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, torch.no_grad():
        folder = Path(name)
        build(folder)
        tokens = torch.from_file(str(folder / "tokens.f32"), size=8 * 64 * 256).reshape(8, 64, 256)
        loaded = jic.load(folder / "encoder.jic")

        def call() -> float:
            start = time.perf_counter()
            loaded(tokens)
            return (time.perf_counter() - start) * 1e6

        print("| encoder, 2 layers, 8x64x256 | threads | C µs | Python µs | C / Python |\n|---|---|---|---|---|")
        for threads in options.threads:
            torch.set_num_threads(threads)
            c, python = [], []
            for _ in range(options.rounds):
                c.append(from_c(folder, threads))
                python.append(statistics.median(call() for _ in range(CALLS)))
            in_c, in_python = statistics.median(c), statistics.median(python)
            print(f"| jic | {threads} | {in_c:.0f} | {in_python:.0f} | {in_c / in_python:.3f} |")
            print(f"  least: C {min(c):.0f}, Python {min(python):.0f}, {min(c) / min(python):.3f}", file=sys.stderr)


if __name__ == "__main__":
    main()
