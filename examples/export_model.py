"""Export a small model to one file, and run the file in a process that has no compiler.

    python examples/export_model.py

Trains nothing: the weights are random. Prints what is in the file, the difference from eager, and the time from the start of
loading to the first result.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import torch

import jic

RUN = """
import sys, time
import torch
x = torch.load(sys.argv[2])
start = time.perf_counter()
import jic
model = jic.load(sys.argv[1])
result = model(x)
print(f"loaded and run in {(time.perf_counter() - start) * 1e3:.0f} ms")
assert not {"torch_mlir", "llvmlite"} & sys.modules.keys()
torch.save(result, sys.argv[2])
"""


class Reader(torch.nn.Module):
    """Reads a sequence step by step; the loop stays a loop in the file."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = torch.nn.GRUCell(8, 16), torch.nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = x.new_zeros(x.shape[0], 16)
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
        return self.head(state).softmax(-1)


def main() -> None:
    model, x = Reader().eval(), torch.randn(3, 50, 8)
    with tempfile.TemporaryDirectory() as folder:
        path, tensors = Path(folder) / "reader.jic", Path(folder) / "x.pt"
        jic.export(model, x, path=path, targets=("cpu", "cpu:x86-64-v3"))
        subprocess.run([sys.executable, "-m", "jic.tools.cli", "inspect", path], check=True)
        torch.save(x, tensors)
        print()
        subprocess.run([sys.executable, "-c", RUN, path, tensors], check=True)
        difference = (torch.load(tensors) - model(x)).abs().max().item()
    print(f"largest difference from eager: {difference:.1e}")


if __name__ == "__main__":
    main()
