"""Lists and dicts that grow, shrink, and are changed while they are iterated."""

from __future__ import annotations

import torch

from ._case import ANY, case, rows


@case(rows)
def appends_where_the_data_say(x):
    outs = [x[0]]
    for row in x:
        if row.sum() > 0:
            outs.append(row)  # here
    return torch.stack(outs)


@case(rows, how=ANY)
def returns_the_list(x):
    outs = []
    h = torch.zeros(3)
    for row in x:
        h = h + row
        outs.append(h)
    return outs


@case(rows, how=ANY)
def reads_the_list_by_index(x):
    outs = []
    for i in range(x.size(0)):
        outs.append(x[i] if i == 0 else outs[i - 1] + x[i])
    return torch.stack(outs)


@case(rows, how=ANY)
def pops_from_the_list(x):
    outs = [x[0]]
    for row in x:
        outs.append(outs.pop() * 0.5 + row)
    return outs[0]


@case(rows, how=ANY)
def inserts_at_the_front(x):
    outs = []
    for row in x:
        outs.insert(0, row)
    return torch.stack(outs)


@case(rows, how=ANY)
def appends_different_shapes(x):
    outs = []
    for i in range(x.size(0)):
        outs.append(x[i, : i + 1])
    return torch.cat(outs)


@case(rows, how=ANY)
def python_list_by_the_variable(x):
    scales = [0.5, 2.0, 3.0, -1.0]
    total = torch.zeros(3)
    for i in range(x.size(0)):
        total = total + x[i] * scales[i]
    return total


@case(rows, how=ANY)
def dict_by_the_variable(x):
    table = {}
    for i in range(x.size(0)):
        table[i] = x[i]
    return table


@case(lambda: ([torch.ones(3)],), how=ANY)
def list_grows_while_it_is_iterated(xs):
    xs = list(xs)
    total = torch.zeros(3)
    for x in xs:
        total = total + x
        if len(xs) < 5:
            xs.append(x * 2)
    return total


@case(rows, how=ANY)
def tensor_changes_while_it_is_iterated(x):
    total = torch.zeros(3)
    for row in x:
        total = total * 0.5 + row
        x += 1
    return total


@case(lambda: ({"a": torch.ones(3)},), how=ANY)
def dict_grows_while_it_is_iterated(tensors):
    tensors = dict(tensors)
    for name in tensors:
        tensors[name + "!"] = tensors[name] * 2
    return tensors
