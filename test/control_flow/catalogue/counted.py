"""`for` over `range`: where the trip count comes from, and what the loop variable is used for."""

from __future__ import annotations

import torch

from ._program import floats, number, of, program

SEQUENCES = (of((2, 5, 3), (2, 3)), of((2, 1, 3), (2, 3)), of((1, 17, 5), (1, 5)), of((2, 0, 3), (2, 3)))
LONG_THEN_SHORT = (of((40, 3)), of((7, 3)), of((1, 3)), of((0, 3)))


@program(*SEQUENCES, loops=1)
def trips_from_a_shape(x, h):
    for t in range(x.size(1)):
        h = torch.tanh(x[:, t] + h)
    return h


@program(*(lambda n=n: (floats(4), n) for n in (9, 1, 0, -3)), loops=1)
def trips_from_an_argument(x, n):
    for _ in range(n):
        x = x * 0.5 + 1
    return x


@program(*(lambda n=n: (floats(4), number(n)) for n in (7, 1, 0, -1)), loops=1)
def trips_from_a_tensor(x, n):
    for _ in range(n):
        x = x * 0.5 + 1
    return x


@program(*(lambda n=n: (floats(4), number(n)) for n in (7, 0)), loops=1)
def trips_from_an_item(x, n):
    for _ in range(int(n.item())):
        x = torch.sin(x)
    return x


@program(*(lambda a=a, b=b: (floats(3), number(a), number(b)) for a, b in ((2, 9), (3, 4), (5, 5), (6, 1))), loops=1)
def start_and_stop_are_tensors(x, a, b):
    for i in range(a, b):
        x = x + i
    return x


@program(*LONG_THEN_SHORT, loops=1)
def start_at_one(x):
    total = torch.zeros(3)
    for t in range(1, x.shape[0]):
        total = total + x[t] * x[t - 1]
    return total


@program(*LONG_THEN_SHORT, loops=1)
def step_of_three(x):
    total = torch.zeros(3)
    for t in range(0, len(x), 3):
        total = total + x[t]
    return total


@program(*LONG_THEN_SHORT, loops=1)
def backwards(x):
    h = torch.zeros(3)
    for t in range(x.size(0) - 1, -1, -1):
        h = torch.sigmoid(h + x[t])
    return h


@program(*(lambda s=s: (floats(11, 2), s) for s in (2, -2, 5, -20)), loops=1)
def step_is_an_argument(x, step):
    start, stop = (0, 11) if step > 0 else (10, -1)
    total = torch.zeros(2)
    for t in range(start, stop, step):
        total = total * 0.5 + x[t]
    return total


@program(lambda: (floats(3), 0), compiled=False)
def step_of_zero_raises(x, step):
    for _ in range(0, 5, step):
        x = x + 1
    return x


@program(*LONG_THEN_SHORT, loops=1)
def reversed_range(x):
    h = torch.zeros(3)
    for t in reversed(range(x.size(0))):
        h = 0.5 * h + x[t]
    return h


@program(of((12, 3)), of((1, 3)), loops=1)
def variable_in_arithmetic(x):
    total = torch.zeros(3)
    for i in range(x.size(0)):
        total = total + i * x[i] - (i // 2) + (i % 3) / 4 + float(i) ** 2 - (-i) * 2
    return total


@program(of((12, 3)), of((1, 3)), of((0, 3)), loops=1)
def variable_as_a_tensor(x):
    total = torch.zeros((), dtype=torch.int64)
    for i in range(x.size(0)):
        total = total + torch.tensor(i)
    return total


@program(of((12, 3)), of((2, 3)), loops=1)
def variable_after_the_loop(x):
    total = torch.zeros(3)
    for i in range(len(x)):
        total = total + x[i]
    return total / (i + 1), i


@program(of((12, 3)), loops=1)
def variable_assigned_in_the_body(x):
    total = torch.zeros(3)
    for i in range(6):
        i = 2 * i
        total = total + x[i]
    return total


@program(lambda: (floats(3), 15), lambda: (floats(3), 0), loops=1)
def bound_assigned_in_the_body(x, n):
    for _ in range(n):
        n = 0
        x = x + 1
    return x + n


@program(of((13, 3)), of((1, 3)), loops=1)
def indices_from_the_end(x):
    n = x.size(0)
    total = torch.zeros(3)
    for i in range(n):
        total = total * 0.5 + x[-1 - i] - x[n - 1 - i] * 0.25
    return total


@program(of((12, 3)), of((3, 3)), loops=1)
def slices_by_the_variable(x):
    total = torch.zeros(2, 3)
    for i in range(x.size(0) - 2):
        total = total + x[i : i + 2] * x[i + 1 : i + 3]
    return total


@program(of((6, 8)), of((1, 1)), loops=1)
def two_indices(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        for j in range(x.size(1)):
            total = total + x[i, j] * (i + 1) / (j + 1)
    return total


@program(of((9, 4), (4, 7)), of((2, 1), (1, 3)), loops=1, factor=16)
def matrix_product_by_hand(a, b):
    out = torch.zeros(a.size(0), b.size(1))
    for k in range(a.size(1)):
        for i in range(a.size(0)):
            out[i] = out[i] + a[i, k] * b[k]
    return out


@program(of((10, 3)), of((1, 3)), loops=2)
def inner_bound_from_the_outer(x):
    total = torch.zeros(3)
    for i in range(x.size(0)):
        for j in range(i + 1):
            total = total + x[i] * x[j]
    return total


@program(of((10, 3)), of((0, 3)), loops=2)
def one_loop_after_another(x):
    total = torch.zeros(3)
    for i in range(x.size(0)):
        total = total + x[i]
    scaled = total * 0
    for i in range(x.size(0)):
        scaled = scaled + (x[i] - total) ** 2
    return scaled


@program(of((5, 4, 3)), of((2, 3, 1)), loops=3)
def three_deep(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        row = torch.zeros(())
        for j in range(x.size(1)):
            for k in range(x.size(2)):
                row = row * 0.5 + x[i, j, k]
        total = total + row
    return total


@program(of((3, 3)))
def empty_body(x):
    for _ in range(100):
        pass
    return x + 1


@program(of((3, 3)))
def constant_range(x):
    for _ in range(3):
        x = x @ x * 0.1
    return x


@program(lambda: (floats(3), 40), loops=1)
def body_does_not_depend_on_the_loop(x, n):
    y = x
    for _ in range(n):
        y = torch.exp(x)
    return y


@program(of((6, 4)), of((1, 4)), loops=1)
def loop_over_the_last_dim(x):
    total = torch.zeros(x.shape[:-1])
    for i in range(x.shape[-1]):
        total = torch.maximum(total, x[..., i])
    return total


@program(of((4, 6)), loops=1)
def shape_unpacked(x):
    rows, columns = x.shape
    h = torch.zeros(rows)
    for t in range(columns):
        h = h + x[:, t] / columns
    return h


@program(*(lambda n=n: (floats(3), n) for n in (30, 2, 1, 0)), loops=1)
def dtype_int64_and_bool(x, n):
    count = torch.zeros(3, dtype=torch.int64)
    flag = torch.zeros(3, dtype=torch.bool)
    for i in range(n):
        count = count * 3 + i
        flag = flag ^ (count % 2 == 0)
    return count, flag


@program(lambda: (torch.randn(12, 4, dtype=torch.float64),), loops=1)
def dtype_float64(x):
    h = torch.zeros(4, dtype=torch.float64)
    for t in range(x.size(0)):
        h = torch.tanh(h + x[t])
    return h


@program(lambda: (torch.randn(12, 4).bfloat16(),), loops=1)
def dtype_bfloat16(x):
    h = torch.zeros(4, dtype=torch.bfloat16)
    for t in range(x.size(0)):
        h = h * 0.5 + x[t]
    return h
