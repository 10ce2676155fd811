"""What a loop may carry: tensors, numbers, tuples, lists, dicts, dataclasses; and lists that grow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ._program import floats, given, of, program

STEPS = (of((15, 3)), of((1, 3)), of((0, 3)))
STEPS_OR_ERROR = STEPS  # stack and cat of nothing raise


@program(*STEPS, loops=1)
def tuple_swapped(x):
    a, b = torch.zeros(3), torch.ones(3)
    for t in range(x.size(0)):
        a, b = b, a + x[t]
    return a, b


@program(*STEPS)  # of numbers alone: Python takes the steps while tracing
def fibonacci_in_python_ints(x):
    a, b = 0, 1
    for _ in range(x.size(0)):
        a, b = b, a + b
    return x.sum() + a, b


@program(*STEPS, loops=1)
def python_float(x):
    scale = 1.0
    total = torch.zeros(3)
    for t in range(x.size(0)):
        total = total + scale * x[t]
        scale *= 0.5
    return total, scale


@program(*STEPS, loops=1)
def python_bool(x):
    even = True
    total = torch.zeros(3)
    for t in range(x.size(0)):
        total = total + (x[t] if even else -x[t])
        even = not even
    return total, even


@program(*STEPS, loops=1)
def int_becomes_float(x):
    scale = 1
    total = torch.zeros(3)
    for t in range(x.size(0)):
        total = total + scale * x[t]
        scale = scale * 0.5
    return total, scale


@program(*STEPS, loops=1)
def none_becomes_a_tensor(x):
    total = None
    for t in range(x.size(0)):
        total = x[t] if total is None else total + x[t]
    return total


@program(*STEPS, loops=1)
def number_becomes_a_tensor(x):
    total = 0
    for t in range(x.size(0)):
        total = total + x[t]
    return total


@program(*STEPS, loops=1)
def state_in_a_tuple(x):
    state = (torch.zeros(3), torch.ones(3))
    for t in range(x.size(0)):
        h, c = state
        c = torch.sigmoid(x[t]) * c + h
        state = (torch.tanh(c), c)
    return state


@program(*STEPS, loops=1)
def state_in_a_list(x):
    state = [torch.zeros(3), torch.ones(3)]
    for t in range(x.size(0)):
        state[0] = state[0] + x[t]
        state[1] = state[1] * state[0]
    return state


@program(*STEPS, loops=1)
def state_in_a_dict(x):
    state = {"h": torch.zeros(3), "n": 0}
    for t in range(x.size(0)):
        state["h"] = torch.tanh(state["h"] + x[t])
        state["n"] += 1
    return state


@dataclass
class State:
    h: torch.Tensor
    n: int = 0


@program(*STEPS, loops=1)
def state_in_a_dataclass(x):
    state = State(torch.zeros(3))
    for t in range(x.size(0)):
        state.h = torch.tanh(state.h + x[t])
        state.n += 1
    return state.h, state.n


@program(*STEPS, loops=1)
def new_dataclass_each_step(x):
    state = State(torch.zeros(3))
    for t in range(x.size(0)):
        state = State(state.h * 0.5 + x[t], state.n + 2)
    return state.h, state.n


class Pair(NamedTuple):
    h: torch.Tensor
    c: torch.Tensor


@program(*STEPS, loops=1)
def state_in_a_named_tuple(x):
    state = Pair(torch.zeros(3), torch.ones(3))
    for t in range(x.size(0)):
        state = Pair(h=torch.tanh(state.c + x[t]), c=state.h)
    return state


@program(*STEPS, loops=1)
def state_in_nested_containers(x):
    state = {"layers": [(torch.zeros(3), torch.zeros(3)), (torch.ones(3), torch.ones(3))]}
    for t in range(x.size(0)):
        below = x[t]
        for i, (h, c) in enumerate(state["layers"]):
            c = 0.5 * c + below
            h = torch.tanh(c + h)
            state["layers"][i] = (h, c)
            below = h
    return state


@program(*STEPS_OR_ERROR, loops=1)
def append_then_stack(x):
    h = torch.zeros(3)
    outs = []
    for t in range(x.size(0)):
        h = torch.tanh(x[t] + h)
        outs.append(h)
    return torch.stack(outs), h


@program(of((2, 15, 3), (2, 3)), of((1, 1, 4), (1, 4)), loops=1)
def append_then_stack_in_dim_one(x, h):
    outs = []
    for t in range(x.size(1)):
        h = torch.tanh(x[:, t] + h)
        outs.append(h)
    return torch.stack(outs, dim=1)


@program(*STEPS_OR_ERROR, loops=1)
def append_then_cat(x):
    h = torch.zeros(3)
    outs = []
    for row in x:
        h = h + row
        outs.append(h.unsqueeze(0))
    return torch.cat(outs, 0)


@program(*STEPS_OR_ERROR, loops=1)
def append_to_two_lists(x):
    sums, products = [], []
    s, p = torch.zeros(3), torch.ones(3)
    for row in x:
        s = s + row
        p = p * row
        sums.append(s)
        products += [p]
    return torch.stack(sums), torch.stack(products, -1)


@program(*STEPS_OR_ERROR, loops=1)
def append_two_in_a_step(x):
    outs = []
    h = torch.zeros(3)
    for row in x:
        h = torch.tanh(h + row)
        outs.append(h)
        outs.append(row * 2)
    return torch.stack(outs)


@program(of((15, 3)), of((1, 3)), loops=1)
def append_backwards_then_reverse(x):
    outs = []
    h = torch.zeros(3)
    for t in range(x.size(0) - 1, -1, -1):
        h = 0.5 * h + x[t]
        outs.append(h)
    outs.reverse()
    return torch.stack(outs)


@program(of((15, 3)), of((1, 3)), loops=1)
def append_then_slice_backwards(x):
    outs = []
    h = torch.zeros(3)
    for row in x:
        h = 0.5 * h + row
        outs.append(h)
    return torch.stack(outs[::-1]), outs[-1], len(outs)


@program(of((15, 3)), of((1, 3)), loops=1)
def append_of_numbers(x):
    outs = []
    for i in range(x.size(0)):
        outs.append(i * i)
    return torch.tensor(outs) + x.sum().long() * 0


@program(of((15, 3)), of((1, 3)), loops=1)
def append_to_a_list_with_a_start(x):
    h = torch.zeros(3)
    outs = [h]
    for row in x:
        h = h + row
        outs.append(h)
    return torch.stack(outs)


@program(of((15, 3)), loops=1)
def last_appended_is_read(x):
    outs = [x[0]]
    for t in range(1, x.size(0)):
        outs.append(torch.tanh(outs[-1] + x[t]))
    return torch.stack(outs)


@program(of((4, 5, 3)), of((1, 1, 3)), loops=1)
def append_in_nested_loops(x):
    rows = []
    for i in range(x.size(0)):
        columns = []
        h = torch.zeros(3)
        for j in range(x.size(1)):
            h = h + x[i, j]
            columns.append(h)
        rows.append(torch.stack(columns))
    return torch.stack(rows)


@program(of((15, 3)), of((1, 3)), loops=1)
def comprehension(x):
    return torch.stack([row.tanh() * row.sum() for row in x])


@program(of((15, 3)), of((1, 3)), loops=1)
def comprehension_over_a_range(x):
    return torch.cat([x[i : i + 1] * i for i in range(x.size(0))])


@program(of((15, 3)))
def comprehension_with_a_condition(x):
    return torch.stack([x[i] for i in range(15) if i % 3 == 0])


@program(of((15, 3)), of((1, 3)), of((0, 3)), loops=1)
def generator_in_sum(x):
    return sum(row * row for row in x)


@program(*STEPS, loops=1)
def same_tensor_under_two_names(x):
    a = torch.zeros(3)
    b = a
    for t in range(x.size(0)):
        a = a + x[t]
    return a, b


@program(*STEPS, loops=1)
def carried_is_an_argument(x):
    h = x.sum(0)
    y = h
    for t in range(x.size(0)):
        y = h * 0.5 + x[t]
    return y


@program(*STEPS, loops=1)
def carried_is_a_view(x):
    base = torch.zeros(2, 3)
    h = base[0]
    for t in range(x.size(0)):
        h = h + x[t]
    return h, base


@program(*STEPS, loops=1)
def constant_assigned_each_step(x):
    mode = "start"
    total = torch.zeros(3)
    for t in range(x.size(0)):
        mode = "running"
        total = total + x[t]
    return total, mode


@program(*STEPS, loops=1)
def temporary_used_after_the_loop(x):
    y = torch.zeros(3)
    for t in range(x.size(0)):
        y = x[t] * 2
    return y


@program(given(200), given(1), given(0), loops=1)
def int_state_in_a_while(n):
    digits = torch.zeros((), dtype=torch.int64)
    while n > 0:
        digits = digits * 2 + n % 2
        n = n // 2
    return digits


@program(lambda: (floats(3), 30), loops=1)
def accumulates_python_and_tensor(x, n):
    total, i = x * 0, 0
    for _ in range(n):
        i += 2
        total = total + x / (i + 1)
    return total, i
