"""`while`: conditions on Python values and on tensors."""

from __future__ import annotations

import torch

from ._program import floats, given, number, of, program


@program(given(1000.0), given(1.5), given(0.5), loops=1)
def condition_is_a_tensor(x):
    while x > 1:
        x = x / 2
    return x


@program(given([3.0, 900.0]), given([0.1, 0.2]), loops=1)
def condition_is_a_reduction(x):
    while x.max() > 1:
        x = x / 2
    return x


@program(given([3.0, 900.0]), given([0.1, 0.2]), loops=1)
def while_any(x):
    n = torch.zeros(2, dtype=torch.int64)
    while (x > 1).any():
        n = n + (x > 1)
        x = torch.where(x > 1, x / 3, x)
    return x, n


@program(given([3.0, 900.0]), given([0.1, 0.2]), loops=1)
def while_not_all(x):
    while not (x <= 1).all():
        x = torch.where(x > 1, x / 3, x)
    return x


@program(given(27), given(1), given(97), loops=1, branches=1)
def collatz(n):
    steps = torch.zeros((), dtype=torch.int64)
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps = steps + 1
    return steps


@program(given(2.0), given(1e4), given(0.25), loops=1)
def newton_until_it_converges(a):
    x = torch.ones(())
    while (x * x - a).abs() > 1e-4 * a:
        x = 0.5 * (x + a / x)
    return x


@program(given(252, 105), given(7, 7), given(17, 0), loops=1)
def greatest_common_divisor(a, b):
    while b != 0:
        a, b = b, a % b
    return a


@program(*(lambda n=n: (floats(3), n) for n in (20, 1, 0)), loops=1)
def python_counter(x, n):
    i = 0
    while i < n:
        x = x * 0.5 + i
        i += 1
    return x


@program(lambda: (floats(3), 100.0), lambda: (floats(3), 0.5), loops=1)
def python_float_counter(x, limit):
    t = 1.0
    while t < limit:
        x = torch.sin(x) + t / 64
        t = t * 1.5
    return x, t


@program(given(100.0), given(1e30), given(0.5), loops=1)
def tensor_and_counter(x):
    i = 0
    while x > 1 and i < 20:
        x = x / 2
        i += 1
    return x, i


@program(given(100.0, 3.0), given(0.5, 40.0), given(0.1, 0.2), loops=1)
def tensor_or_tensor(x, y):
    while x > 1 or y > 1:
        x = x / 2
        y = y / 3
    return x, y


@program(given(5.0), given(50.0), given(-3.0), loops=1)
def chained_comparison(x):
    while 1 < x < 30:
        x = x * 1.7
    return x


@program(given(40.0), given(0.5), loops=1)
def condition_from_item(x):
    while x.item() > 1:
        x = x / 2
    return x


@program(given(40.0), given(0.5), loops=1)
def condition_from_float(x):
    while float(x) > 1:
        x = x / 2
    return x


@program(given(40.9), given(0.5), loops=1)
def condition_from_int(x):
    while int(x) > 3:
        x = x - 1.5
    return x


@program(given([4.0, 2.0]), given([0.0, 0.0]), loops=1)
def condition_from_bool(x):
    while bool((x > 0.5).any()):
        x = x * 0.5
    return x


@program(given([1, 0, 3]), given([0, 0, 0]), loops=1)
def condition_is_an_integer(x):
    while x.sum():
        x = torch.relu(x - 1)
    return x


@program(given(0.5), given(2.0), loops=1, branches=1)
def while_true_with_break(x):
    while True:
        x = x * 1.25
        if x > 10:
            break
    return x


@program(given(100.0), given(0.5), loops=2)
def while_in_a_while(x):
    total = torch.zeros(())
    while x > 1:
        y = x
        while y > 1:
            y = y / 3
            total = total + 1
        x = x / 2
    return total, x


@program(of((8, 3)), of((0, 3)), loops=2)
def while_in_a_for(x):
    total = torch.zeros(())
    for t in range(x.size(0)):
        y = x[t].abs().sum()
        while y > 0.5:
            y = y * 0.5
            total = total + 1
    return total


@program(given(50.0), given(1.0), loops=2)
def for_in_a_while(x):
    while x > 2:
        for i in range(4):
            x = x - 0.125 * i
        x = x * 0.75
    return x


@program(lambda: (floats(4, 4) @ torch.eye(4),), loops=1, factor=64)
def power_iteration(a):
    a = a @ a.t() + torch.eye(4)
    v = torch.ones(4) / 2
    change = torch.ones(())
    n = 0
    while change > 1e-3 and n < 200:
        w = a @ v
        w = w / w.norm()
        change = (w - v).abs().max()
        v = w
        n += 1
    return v


@program(given(0.0, 2.0), given(1.0, 2.0), loops=1)
def bisection(low, high):
    while high - low > 1e-3:
        middle = (low + high) / 2
        if middle * middle < 2:
            low = middle
        else:
            high = middle
    return low, high


@program(given(100.0), loops=1)
def walrus(x):
    while (y := x / 2) > 1:
        x = y - 0.25
    return x, y


@program(lambda: (floats(3),))
def python_list_drives_it(x):
    names = ["sin", "cos", "exp"]
    while names:
        x = getattr(torch, names.pop())(x)
    return x


@program(lambda: (floats(3), number(True)), lambda: (floats(3), number(False)), loops=1)
def flag_in_a_tensor(x, go):
    n = torch.zeros((), dtype=torch.int64)
    while go:
        n = n + 1
        go = n < 6
        x = x + 1
    return x, n


@program(lambda: (floats(3), 5), loops=1)
def flag_in_a_python_bool(x, n):
    going = True
    i = 0
    while going:
        x = x + i
        i += 1
        going = i < n
    return x, going


@program(given(float("nan")), given(3.0), loops=1)
def nan_ends_it(x):
    while x > 1:
        x = x / 2
    return x


@program(given([9.0, 4.0, 2.0]), given([0.0, 0.0, 0.0]), loops=1)
def condition_indexes_the_state(x):
    i = 0
    while x[0] > 1:
        x = x * 0.75 + x.roll(1) * 0.01
        i = i + 1
    return x, i
