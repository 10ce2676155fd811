"""Memory-bound work against the machine's copy bandwidth, measured beside it, and against eager.

    python benchmarks/bandwidth.py [--inductor] [--threads 1 2] [--only softmax] [--json bandwidth.json]

`of_copy` counts only the bytes that must be moved: arguments once, results once. The copy is `Tensor.copy_` between two buffers
of together as many bytes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from harness import Case, arguments_parser, run
from torch import Tensor


def chain5(a: Tensor, b: Tensor) -> Tensor:
    return torch.relu((a - b) * a + b * 0.5)


def chain8(a: Tensor, b: Tensor) -> Tensor:
    return torch.clamp((a * b + a) * 0.25 - b.abs(), -1, 1).neg().maximum(b)


def chain10(a: Tensor, b: Tensor) -> Tensor:
    x = torch.where(a > b, a * 2 - b, b * 3 + a)
    return (x * x + 1).sqrt().minimum(a.abs() + b.abs())


def with_copy(case: Case) -> Case:
    elements = int(case.moved) // 8
    source, target = torch.randn(elements), torch.empty(elements)
    case.extra["copy"] = lambda: target.copy_(source)
    return case


def cases() -> list[Case]:
    found: list[Case] = []
    for megabytes in (1, 4, 16, 64):
        n = megabytes << 18
        a, b = torch.randn(n), torch.randn(n)
        for function in (chain5, chain8, chain10):
            found.append(Case("chain", f"{function.__name__} {megabytes} MB", function, (a, b), moved=12.0 * n))
    for rows, columns in ((4096, 1024), (16384, 1024), (8192, 768)):
        x, w, bias = torch.randn(rows, columns), torch.randn(columns), torch.randn(columns)
        size = 4.0 * x.numel()
        shape = f"{rows}x{columns}"
        found.append(Case("rows", f"softmax {shape}", lambda x: x.softmax(-1), (x,), moved=2 * size))
        norm = lambda x, w, b: F.layer_norm(x, w.shape, w, b)  # noqa: E731
        found.append(Case("rows", f"layer norm {shape}", norm, (x, w, bias), moved=2 * size))
        found.append(Case("rows", f"row sum {shape}", lambda x: x.sum(-1), (x,), moved=size, tolerance=1e-3))
    return [with_copy(c) for c in found]


def main() -> None:
    options = arguments_parser(__doc__ or "").parse_args()
    torch.manual_seed(0)
    rows = run(cases(), options)
    for group in ("chain", "rows"):
        worst = [r["vs_copy"] for r in rows if r["group"] == group]
        if worst:
            print(f"{group}: {100 * min(worst):.0f} % to {100 * max(worst):.0f} % of the copy bandwidth")


if __name__ == "__main__":
    main()
