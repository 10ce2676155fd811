"""`nn.RNN`, `nn.LSTM` and `nn.GRU` in plain Python: formulas and layouts of weights as in PyTorch's documentation.

Each layer and direction multiplies its whole input by `W_ih` at once; its loop over time has the product with `W_hh` only.
"""

from __future__ import annotations

import types
from typing import Any

import torch
from torch.nn import functional as F

from . import user


def rnn_steps(x: Any, h: Any, weight: Any, bias: Any, relu: bool, reverse: bool) -> Any:
    """`h' = tanh(x_t + W_hh h + b_hh)`; `x` is `[T, B, H]`, the product with `W_ih`."""
    count = x.shape[0]
    outputs = []
    for t in user.range(count):
        at = count - 1 - t if reverse else t
        total = x[at] + F.linear(h, weight, bias)
        h = torch.relu(total) if relu else torch.tanh(total)
        outputs.append(h)
    stacked = torch.stack(outputs)
    return (stacked.flip(0) if reverse else stacked), h


def lstm_steps(x: Any, h: Any, c: Any, weight: Any, bias: Any, projection: Any, reverse: bool) -> Any:
    """Gates i, f, g, o of `x_t + W_hh h + b_hh`; `c' = f c + i g`, `h' = o tanh(c')`, projected if there is a projection."""
    count = x.shape[0]
    outputs = []
    for t in user.range(count):
        at = count - 1 - t if reverse else t
        i, f, g, o = (x[at] + F.linear(h, weight, bias)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        if projection is not None:
            h = F.linear(h, projection)
        outputs.append(h)
    stacked = torch.stack(outputs)
    return (stacked.flip(0) if reverse else stacked), h, c


def gru_steps(x: Any, h: Any, weight: Any, bias: Any, reverse: bool) -> Any:
    """Gates r, z, n; `n = tanh(x_n + r (W_hn h + b_hn))`, `h' = (1 - z) n + z h`."""
    count = x.shape[0]
    outputs = []
    for t in user.range(count):
        at = count - 1 - t if reverse else t
        xr, xz, xn = x[at].chunk(3, -1)
        hr, hz, hn = F.linear(h, weight, bias).chunk(3, -1)
        r = torch.sigmoid(xr + hr)
        z = torch.sigmoid(xz + hz)
        n = torch.tanh(xn + r * hn)
        h = n + z * (h - n)
        outputs.append(h)
    stacked = torch.stack(outputs)
    return (stacked.flip(0) if reverse else stacked), h


def forward(module: Any, input: Any, hx: Any = None) -> Any:
    """`module(input, hx)` for a recurrent module and a padded input."""
    lstm = module.mode == "LSTM"
    batched = input.dim() == 3
    if input.dim() != 2 and input.dim() != 3:
        raise ValueError(f"{module.mode}: Expected input to be 2D or 3D, got {input.dim()}D instead")
    x = input if batched else input.unsqueeze(0 if module.batch_first else 1)
    time_first = not module.batch_first
    batch = x.shape[1 if time_first else 0]
    directions = 2 if module.bidirectional else 1
    layers = module.num_layers * directions
    size = module.proj_size if module.proj_size > 0 else module.hidden_size
    h0: Any
    c0: Any
    if hx is None:
        h0 = torch.zeros(layers, batch, size, dtype=x.dtype)
        c0 = torch.zeros(layers, batch, module.hidden_size, dtype=x.dtype) if lstm else None
    else:
        h0, c0 = hx if lstm else (hx, None)
        if not batched:
            h0 = h0.unsqueeze(1)
            c0 = c0.unsqueeze(1) if lstm else None
    if h0.shape != (layers, batch, size):
        raise RuntimeError(f"Expected hidden size {(layers, batch, size)}, got {list(h0.shape)}")
    if x.shape[2] != module.input_size:
        raise RuntimeError(
            f"input.size(-1) must be equal to input_size. Expected {module.input_size}, got {x.shape[2]}"
        )
    last_h = []
    last_c = []
    for layer in user.unroll(range(module.num_layers)):
        outputs = []
        for direction in user.unroll(range(directions)):
            suffix = f"_l{layer}" + ("_reverse" if direction == 1 else "")
            number = layer * directions + direction
            bias_i: Any = getattr(module, "bias_ih" + suffix) if module.bias else None
            bias_h = getattr(module, "bias_hh" + suffix) if module.bias else None
            weight = getattr(module, "weight_hh" + suffix)
            if module.bias and module.mode != "GRU":
                bias_i, bias_h = bias_i + bias_h, None
            gates = F.linear(x, getattr(module, "weight_ih" + suffix), bias_i)
            if not time_first:  # steps read the product where it lies; the input would be copied
                gates = gates.transpose(0, 1)
            if lstm:
                projection = getattr(module, "weight_hr" + suffix) if module.proj_size > 0 else None
                out, h, c = lstm_steps(gates, h0[number], c0[number], weight, bias_h, projection, direction == 1)
                last_c.append(c)
            elif module.mode == "GRU":
                out, h = gru_steps(gates, h0[number], weight, bias_h, direction == 1)
            else:
                out, h = rnn_steps(gates, h0[number], weight, bias_h, module.mode == "RNN_RELU", direction == 1)
            outputs.append(out)
            last_h.append(h)
        x = outputs[0] if directions == 1 else torch.cat(outputs, -1)
        time_first = True
        if module.dropout > 0 and module.training and layer < module.num_layers - 1:
            x = F.dropout(x, module.dropout, True)
    if module.batch_first:
        x = x.transpose(0, 1)
    h_n = torch.stack(last_h)
    c_n: Any = torch.stack(last_c) if lstm else None
    if not batched:
        x = x.squeeze(0 if module.batch_first else 1)
        h_n = h_n.squeeze(1)
        c_n = c_n.squeeze(1) if lstm else None
    return (x, (h_n, c_n)) if lstm else (x, h_n)


def find(module: torch.nn.Module) -> types.FunctionType | None:
    """`forward`, if `module` is one of PyTorch's recurrent modules itself."""
    return forward if type(module) in (torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU) else None  # type: ignore[return-value]
