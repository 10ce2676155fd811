"""Which calls of a graph draw random numbers: that is for the arguments to say as well as for the op."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Node

_RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu", "_cudnn_rnn", "miopen_rnn"})


def draws_random_numbers(node: Node) -> bool:
    """True for a call that draws: dropout that is off, and attention without it, do not."""
    op = node.target
    if (
        not isinstance(op, torch._ops.OpOverload) or op.namespace == "jic"
    ):  # markers have the tag too, so that tracers keep them
        return False
    names = {a.name for a in op._schema.arguments}
    base = op._schema.name.partition("::")[2]
    if "dropout_p" in names:  # attention
        return _given(node, op, "dropout_p") != 0
    if base in _RECURRENT and {"dropout", "train", "num_layers"} <= names:
        drops = _given(node, op, "dropout") != 0 and _given(node, op, "num_layers") != 1
        return drops and _given(node, op, "train") is not False
    if {"p", "train"} <= names:  # with None dropout trains; zeros and the input itself need no draw
        return _given(node, op, "train") is not False and _given(node, op, "p") not in (0, 1)
    if {"lower", "upper", "training"} <= names:  # rrelu
        return _given(node, op, "training") is not False
    return torch.Tag.nondeterministic_seeded in op.tags or "generator" in names


def _given(node: Node, op: torch._ops.OpOverload, name: str) -> Any:
    """The value of the argument `name`."""
    for i, argument in enumerate(op._schema.arguments):
        if argument.name == name:
            return node.args[i] if i < len(node.args) else node.kwargs.get(name, argument.default_value)
    raise AssertionError(name)
