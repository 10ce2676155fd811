"""`for` over what is not a range: tensors, enumerate, zip, reversed, pieces of tensors, and Python sequences."""

from __future__ import annotations

import itertools

import torch

from ._program import floats, of, program

ROWS = (of((20, 3)), of((1, 3)), of((0, 3)))


@program(*ROWS, loops=1)
def rows_of_a_tensor(x):
    h = torch.zeros(3)
    for row in x:
        h = torch.tanh(h + row)
    return h


@program(of((20,)), of((1,)), of((0,)), loops=1)
def elements_of_a_vector(x):
    total = torch.zeros(())
    for value in x:
        total = total * 0.5 + value
    return total


@program(*ROWS, loops=1)
def enumerate_rows(x):
    h = torch.zeros(3)
    for i, row in enumerate(x):
        h = h + row * i
    return h


@program(*ROWS, loops=1)
def enumerate_from_one(x):
    h = torch.zeros(3)
    for i, row in enumerate(x, start=1):
        h = h + row / i
    return h


@program(of((9, 3), (9, 3)), of((9, 3), (4, 3)), of((0, 3), (9, 3)), loops=1)
def zip_of_two_tensors(x, y):
    h = torch.zeros(3)
    for a, b in zip(x, y):
        h = h * 0.9 + a * b
    return h


@program(of((9, 3), (9, 3)), loops=1)
def zip_of_a_tensor_and_a_range(x, y):
    h = torch.zeros(3)
    for i, a in zip(range(x.size(0)), x):
        h = h * 0.9 + a * y[i]
    return h


@program(of((9, 3), (9, 3)), of((1, 3), (1, 3)), loops=1)
def enumerate_of_zip(x, y):
    h = torch.zeros(3)
    for i, (a, b) in enumerate(zip(x, y)):
        h = h + a * b * i
    return h


@program(*ROWS, loops=1)
def reversed_rows(x):
    h = torch.zeros(3)
    for row in reversed(x):
        h = torch.tanh(h * 0.5 + row)
    return h


@program(*ROWS, loops=1)
def unbind(x):
    h = torch.zeros(3)
    for row in x.unbind(0):
        h = h * 0.5 + row
    return h


@program(of((2, 20, 3)), of((2, 1, 3)), loops=1)
def unbind_of_a_later_dim(x):
    h = torch.zeros(2, 3)
    for step in torch.unbind(x, dim=1):
        h = h * 0.5 + step
    return h


@program(*ROWS, loops=1)
def rows_of_a_transposed_tensor(x):
    h = torch.zeros(x.size(0))
    for column in x.t():
        h = h * 0.5 + column
    return h


@program(of((12, 3)), loops=1)
def rows_of_a_slice(x):
    h = torch.zeros(3)
    for row in x[2:-1]:
        h = h * 0.5 + row
    return h


@program(of((12, 3)))
def pieces_of_split(x):
    total = torch.zeros(3)
    for piece in x.split(5):
        total = total + piece.mean(0)
    return total


@program(of((12, 3)))
def pieces_of_chunk(x):
    total = torch.zeros(4, 3)
    for piece in torch.chunk(x, 3):
        total = total * 0.5 + piece
    return total


@program(lambda: ([floats(3) for _ in range(4)],), lambda: ([floats(3)],), lambda: ([],))
def list_of_tensors(xs):
    total = torch.zeros(3)
    for x in xs:
        total = total * 0.5 + x
    return total


@program(lambda: ((floats(2), floats(2, 3), floats(4)),))
def tuple_of_different_shapes(xs):
    total = torch.zeros(())
    for x in xs:
        total = total + x.sum()
    return total


@program(lambda: ({"a": floats(3), "b": floats(3)},), lambda: ({},))
def items_of_a_dict(tensors):
    total = torch.zeros(3)
    for name, value in tensors.items():
        total = total + (value if name == "a" else 2 * value)
    return total


@program(of((3,)))
def python_numbers(x):
    for scale in (1, 2.5, -3):
        x = x * scale + 1
    return x


@program(of((3,)))
def strings(x):
    for name in ["sin", "cos", "tanh"]:
        x = getattr(torch, name)(x)
    return x


@program(of((4, 4)))
def itertools_product(x):
    total = torch.zeros(())
    for i, j in itertools.product(range(2), range(3)):
        total = total + x[i, j]
    return total


@program(of((7, 3)), loops=1)
def nested_rows(x):
    total = torch.zeros(3)
    for a in x:
        for b in x:
            total = total + a * b
    return total


@program(of((5, 3)), loops=1)
def rows_of_a_result(x):
    h = torch.zeros(3)
    for row in torch.exp(x) @ torch.ones(3, 3):
        h = h * 0.25 + row
    return h


@program(of((4, 3)), of((0, 3)))
def starred_targets(x):
    total = torch.zeros(3)
    for first, *others in [(1, 2, 3), (4, 5, 6)]:
        total = total * first + sum(others)
    return total + x.sum()
