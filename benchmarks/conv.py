"""Convolution + batch norm + ReLU, pools and residual blocks through `jic.compile` beside eager PyTorch (oneDNN).

    python benchmarks/conv.py [--threads 1 2] [--rounds 25] [--json results.json] [--only 3x3] [--inductor]

`single` rows are one layer with a contiguous NCHW input and result; `blocks` are chains of layers, in which jic picks
the layout between the layers.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from harness import Case, arguments_parser, run
from torch import nn

BATCHES = (1, 8)


def conv_bn(channels: int, filters: int, window: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution with "same" padding and batch norm with statistics that are not the identity."""
    conv = nn.Conv2d(channels, filters, window, stride, window // 2, groups=groups, bias=False)
    norm = nn.BatchNorm2d(filters)
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2.0)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return nn.Sequential(conv, norm)


class Residual(nn.Module):
    """ResNet's basic block."""

    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.first = conv_bn(channels, filters, 3, stride)
        self.second = conv_bn(filters, filters, 3)
        self.shortcut = conv_bn(channels, filters, 1, stride) if stride > 1 or channels != filters else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(torch.relu(self.first(x)))
        return torch.relu(y + self.shortcut(x))


def single(name: str, size: int, channels: int, filters: int, window: int, stride: int = 1, groups: int = 1):
    for batch in BATCHES:
        layers = nn.Sequential(conv_bn(channels, filters, window, stride, groups), nn.ReLU()).eval()
        x = torch.randn(batch, channels, size, size)
        pixels = batch * (-(-size // stride)) ** 2
        flops = 2.0 * pixels * filters * channels // groups * window * window
        yield Case("single", f"{name} {channels}-{filters} {size}² x{batch}", layers, (x,), flops=flops)


def chain(name: str, layers: nn.Module, *shape: int) -> Iterator[Case]:
    for batch in BATCHES:
        yield Case("blocks", f"{name} x{batch}", layers.eval(), (torch.randn(batch, *shape),), tolerance=1e-3)


def pool(name: str, layer: nn.Module, *shape: int) -> Iterator[Case]:
    for batch in BATCHES:
        x = torch.randn(batch, *shape)
        moved = 4.0 * (x.numel() + layer(x).numel())
        yield Case("pools", f"{name} x{batch}", nn.Sequential(layer, nn.ReLU()), (x,), moved=moved)


def cases() -> Iterator[Case]:
    for channels, size in ((64, 56), (128, 28), (256, 14)):
        yield from single("3x3", size, channels, channels, 3)
    yield from single("3x3/2", 56, 64, 128, 3, 2)
    yield from single("1x1", 56, 64, 256, 1)
    yield from single("1x1", 56, 256, 64, 1)
    yield from single("1x1/2", 28, 128, 256, 1, 2)
    yield from single("depthwise 3x3", 56, 128, 128, 3, groups=128)
    yield from single("stem 7x7/2", 224, 3, 64, 7, 2)
    yield from pool("max 3x3/2", nn.MaxPool2d(3, 2, 1), 64, 112, 112)
    yield from pool("avg 2x2/2", nn.AvgPool2d(2), 64, 56, 56)
    yield from chain("residual 64", Residual(64, 64, 1), 64, 56, 56)
    yield from chain("residual 64-128/2", Residual(64, 128, 2), 64, 56, 56)
    yield from chain(
        "bottleneck 256-64-256",
        nn.Sequential(conv_bn(256, 64, 1), nn.ReLU(), conv_bn(64, 64, 3), nn.ReLU(), conv_bn(64, 256, 1), nn.ReLU()),
        *(256, 28, 28),
    )


if __name__ == "__main__":
    torch.manual_seed(0)
    run(list(cases()), arguments_parser(__doc__ or "").parse_args())
