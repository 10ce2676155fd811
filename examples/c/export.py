"""Writes what the C programs beside this file run: `encoder.jic`, its input `tokens.f32`, and `loop.jic`.

python examples/c/export.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

import jic


def encoder() -> nn.Module:
    """Two transformer layers of width 256."""
    layer = nn.TransformerEncoderLayer(256, 4, 1024, dropout=0.0, activation="gelu", batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()


def root(a: torch.Tensor, tolerance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Square roots by Newton's method, and how many steps all of them took: a loop that ends when the numbers say so."""
    x = (a + 1) / 2
    steps = torch.zeros((), dtype=torch.int64)
    while ((x * x - a).abs() > tolerance).any():
        for _ in range(2):
            x = (x + a / x) / 2
            steps = steps + 1
    return x, steps


def main() -> None:
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    tokens = torch.randn(8, 64, 256)
    tokens.numpy().tofile(folder / "tokens.f32")
    jic.export(encoder(), tokens, path=folder / "encoder.jic", torch_free=True)
    jic.export(root, torch.rand(5), torch.tensor(1e-6), path=folder / "loop.jic", torch_free=True)


if __name__ == "__main__":
    main()
