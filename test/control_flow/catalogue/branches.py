"""`if`, `elif`, conditional expressions, and `and`, `or`, `not`."""

from __future__ import annotations

import torch

from ._program import floats, given, number, of, program

SIGNS = (given([1.0, 2.0, 3.0]), given([-1.0, -2.0, -3.0]), given([0.0, 0.0, 0.0]))


@program(*SIGNS, branches=1)
def if_else(x):
    if x.sum() > 0:
        y = x + 1
    else:
        y = x - 1
    return y * 2


@program(*SIGNS, branches=1)
def if_without_else(x):
    if x.sum() > 0:
        x = x * 3
    return x + 1


@program(*SIGNS, given([100.0, 1.0, 1.0]), branches=2)
def elif_chain(x):
    if x.sum() > 50:
        y = x / 100
    elif x.sum() > 0:
        y = x + 1
    elif x.sum() == 0:
        y = torch.ones(3)
    else:
        y = -x
    return y


@program(*SIGNS, branches=1)
def nested_if(x):
    if x[0] > 0:
        if x[1] > 1.5:
            x = x * 2
        else:
            x = x * 3
        x = x + 1
    return x


@program(*SIGNS, branches=1)
def conditional_expression(x):
    return (x + 1 if x.sum() > 0 else x - 1) * 2


@program(*SIGNS, branches=1)
def conditional_expression_of_numbers(x):
    scale = 2 if x.sum() > 0 else 5
    return x * scale


@program(*SIGNS, branches=1)
def conditional_number_of_two_types(x):
    scale = 2.5 if x.mean() > 0 else -1.0
    return x * scale, scale


@program(*SIGNS, branches=1)
def both_conditions(x):
    if x.sum() > 0 and x[0] < 10:
        x = x * 2
    return x


@program(*SIGNS, branches=1)
def either_condition(x):
    if x.sum() < 0 or x[0] == 1:
        x = x * 2
    return x


@program(*SIGNS, branches=1)
def not_condition(x):
    if not x.sum() > 0:
        x = x * 2
    return x


@program(*SIGNS, branches=1)
def mixed_with_python(x, flag=True):
    if flag and (x.sum() > 0 or not flag):
        x = x * 2
    return x


@program(*SIGNS, branches=1)
def and_gives_a_value(x):
    y = (x.sum() > 0) and (x[0] > 1)
    return y


@program(*SIGNS, branches=1)
def or_guards_a_division(x):
    if x.sum() == 0 or (x / x.sum()).max() > 0.4:
        x = x + 7
    return x


@program(*SIGNS, branches=1)
def condition_from_item(x):
    if x.sum().item() > 0:
        return x * 2
    return x * 3


@program(*SIGNS, branches=1)
def condition_from_float_and_int(x):
    if float(x.sum()) > 0.5 and int(x[0]) < 5:
        return x * 2
    return x * 3


@program(*SIGNS, branches=1)
def condition_from_bool(x):
    if bool((x > 0).any()):
        x = x - 5
    return x


@program(*SIGNS, branches=1)
def condition_is_a_float(x):
    if x.sum():
        x = x - 5
    return x


@program(given([1.0, float("nan"), 0.0]), given([1.0, 2.0, 3.0]), branches=1)
def condition_is_nan(x):
    if torch.isnan(x).any():
        x = torch.nan_to_num(x)
    if x.sum() * float("nan"):
        x = x + 1
    return x


@program(*SIGNS, branches=1)
def chained_comparison(x):
    if 0 < x.sum() < 10:
        x = x + 0.5
    return x


@program(*SIGNS, branches=1)
def early_return(x):
    if x.sum() > 0:
        return x * 2
    y = torch.exp(x)
    return y + 1


@program(*SIGNS, branches=2)
def three_returns(x):
    if x[0] > 0:
        return x * 2
    if x[0] < 0:
        return x * 3
    return x * 4


@program(*SIGNS, branches=1)
def return_of_a_tuple(x):
    if x[0] > 0:
        return x * 2, x.sum()
    return x * 3, x.mean()


@program(*SIGNS, branches=1)
def defined_in_both_branches(x):
    if x[0] > 0:
        a, b = x * 2, x[0]
    else:
        b, a = x[1], x * 3
    return a + b


@program(*SIGNS, branches=1)
def temporary_of_one_branch(x):
    if x[0] > 0:
        t = torch.exp(x)
        x = t / t.sum()
    return x


@program(*SIGNS, branches=1)
def in_place_in_a_branch(x):
    y = x.clone()
    if x[0] > 0:
        y += 1
        y[0] = 7.0
    return y


@program(*SIGNS, branches=1)
def argument_changed_in_a_branch(x):
    if x[0] > 0:
        x.mul_(2)
    return x.sum()


@program(*SIGNS)
def matmul_in_one_branch(x):
    if x[0] > 0:
        x = torch.eye(3) * 2 @ x
    else:
        x = x.flip(0)
    return x


@program(lambda: (floats(3), True), lambda: (floats(3), False))
def python_bool(x, flag):
    if flag:
        x = x * 2
    return x


@program(lambda: (floats(3), None), lambda: (floats(3), floats(3)))
def none_or_a_tensor(x, mask):
    if mask is not None:
        x = x * mask
    return x


@program(of((2, 3)), of((5,)), of((0, 2)))
def on_the_shape(x):
    if x.dim() == 2 and x.size(0) > 0:
        return x.sum(0)
    return x.sum()


@program(lambda: (floats(3), 0), lambda: (floats(3), 1), lambda: (floats(3), 2))
def on_an_int_argument(x, mode):
    if mode == 0:
        return torch.sin(x)
    elif mode == 1:
        return torch.cos(x)
    return torch.tanh(x)


@program(lambda: (floats(3), number(0)), lambda: (floats(3), number(1)), lambda: (floats(3), number(2)), branches=1)
def on_an_int_tensor(x, mode):
    if mode == 0:
        return torch.sin(x)
    elif mode == 1:
        return torch.cos(x)
    return torch.tanh(x)


@program(of((11, 3)), of((1, 3)), loops=1)
def on_the_loop_variable(x):
    total = torch.zeros(3)
    for i in range(x.size(0)):
        if i % 2 == 0:
            total = total + x[i]
        else:
            total = total - 2 * x[i]
    return total


@program(of((11, 3)), of((1, 3)), loops=1)
def first_and_last_iteration(x):
    n = x.size(0)
    total = torch.zeros(3)
    for i in range(n):
        if i == 0:
            total = x[i]
        elif i == n - 1:
            total = total * x[i]
        else:
            total = total + x[i]
    return total


@program(of((11, 3)), of((0, 3)), loops=1, branches=1)
def in_a_loop_on_a_tensor(x):
    h = torch.zeros(3)
    for t in range(x.size(0)):
        if x[t].sum() > 0:
            h = h + x[t]
        else:
            h = h * 0.5
    return h


@program(of((11, 3)), loops=1)
def loop_in_a_branch(x):
    h = torch.zeros(3)
    if x.sum() > 0:
        for t in range(x.size(0)):
            h = h + x[t]
    else:
        for t in range(x.size(0)):
            h = torch.maximum(h, -x[t])
    return h


@program(given(3.0, 4.0), given(4.0, 3.0), branches=1)
def builtin_max_and_min(a, b):
    return max(a, b) - min(a, b) * 2


@program(given(3.0, 4.0), given(-4.0, 3.0))
def builtin_abs_round_pow(a, b):
    return abs(a) + pow(b, 2)


@program(*SIGNS)
def assertion(x):
    assert x.sum() >= 0, "negative"
    return x + 1


@program(*SIGNS, branches=1)
def raise_in_a_branch(x):
    if x.sum() < 0:
        raise ValueError("negative sum")
    return x + 1


@program(*SIGNS, compiled=False)
def branches_of_two_shapes(x):
    if x.sum() > 0:
        return x
    return x.sum()


@program(*SIGNS, compiled=False)
def branches_of_two_dtypes(x):
    return x if x.sum() > 0 else (x > 0)


@program(*SIGNS, compiled=False)
def branches_of_two_structures(x):
    if x.sum() > 0:
        return {"a": x}
    return [x, x]


@program(*SIGNS, compiled=False)
def unbound_after_a_branch(x):
    if x.sum() > 0:
        y = x
    return y + 1


@program(given([2.0, 3.0]), compiled=False)
def condition_with_two_elements_raises(x):
    if x > 0:
        return x
    return -x


@program(of((0,)), compiled=False)
def condition_without_elements_raises(x):
    if x:
        return x
    return x + 1
