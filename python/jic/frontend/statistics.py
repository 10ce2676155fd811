"""Normalisations that update running statistics, which their schemas do not say: the writes become ops of their own."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.fx import Node

from ..errors import CaptureError

aten = torch.ops.aten


def updates_statistics(node: Node) -> bool:
    """True for a batch norm or instance norm that uses its input's statistics and has running ones."""
    if node.target not in (aten.batch_norm.default, aten.instance_norm.default):
        return False
    return bool(node.args[5]) and any(isinstance(a, Node) for a in node.args[3:5])


def show_running_statistics(node: Node) -> None:
    """Replace `node` by functional ops and a `copy_` into each running statistic.

    Raises:
        CaptureError: for an input without a channel dim, or with one statistic only.
    """
    if node.meta["val"].dim() < 2:
        raise CaptureError("a normalisation of a tensor without a channel dim", location=node.meta.get("location", ""))
    if not all(isinstance(a, Node) for a in node.args[3:5]):
        raise CaptureError("a normalisation with one running statistic", location=node.meta.get("location", ""))
    with node.graph.inserting_before(node), node.meta["val"].fake_mode:
        build = _Builder(node)
        result = build.batch_norm() if node.target is aten.batch_norm.default else build.instance_norm()
    node.replace_all_uses_with(result)
    node.graph.erase_node(node)


class _Builder:
    """Ops with the arguments of `node`, right before it."""

    def __init__(self, node: Node) -> None:
        self.node, self.args = node, list(node.args)
        self.sizes = list(node.meta["val"].shape)

    def op(self, target: Any, *args: Any) -> Node:
        made = self.node.graph.call_function(target, args)
        values = torch.fx.map_arg(args, lambda n: n.meta["val"])
        # torch's other entries describe the old node's value
        made.meta = {"val": target(*values), "location": self.node.meta.get("location", "")}
        return made

    def normalised(self, *inputs: Any) -> tuple[Node, list[Node]]:
        """The result and the new statistics of a batch norm of `inputs`: data, weight, bias, mean and variance."""
        op = aten._native_batch_norm_legit_functional.default
        call = self.op(op, *inputs, True, self.args[6], self.args[7])
        result, *statistics = (self.op(operator.getitem, call, i) for i in (0, 3, 4))
        return result, statistics

    def batch_norm(self) -> Node:
        result, statistics = self.normalised(*self.args[:5])
        for old, new in zip(self.args[3:5], statistics, strict=True):
            self.op(aten.copy_.default, old, new)
        return result

    def instance_norm(self) -> Node:
        """As PyTorch's: a batch norm with each sample's channels as channels; the new statistics are means over the samples."""
        samples, channels, *rest = self.sizes
        data = self.op(aten.reshape.default, self.args[0], [1, samples * channels, *rest])
        repeated = [a and self.op(aten.repeat.default, a, [samples]) for a in self.args[1:5]]
        result, statistics = self.normalised(data, *repeated)
        for old, new in zip(self.args[3:5], statistics, strict=True):
            rows = self.op(aten.reshape.default, new, [samples, channels])
            self.op(aten.copy_.default, old, self.op(aten.mean.dim, rows, [0]))
        return self.op(aten.reshape.default, result, self.sizes)
