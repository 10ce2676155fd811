"""`break`, `continue`, `return` in loops, and `else` of loops."""

from __future__ import annotations

import torch

from ._program import given, of, program

VALUES = (
    given([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    given([9.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
    given([1.0, 1.0, 1.0, 1.0, 1.0, 99.0]),
    given([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0]),
    lambda: (torch.zeros(0),),
)


@program(*VALUES, loops=1, branches=1)
def break_on_a_tensor(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        total = total + x[i]
        if total > 5:
            break
    return total


@program(*VALUES, loops=1)
def break_first_thing(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        if x[i] > 4:
            break
        total = total + x[i]
    return total


@program(*VALUES, loops=1)
def break_gives_the_index(x):
    i = -1
    for i in range(x.size(0)):
        if x[i] > 4:
            break
    return i


@program(*VALUES)
def break_on_the_index(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        if i == 3:
            break
        total = total + x[i]
    return total


@program(*VALUES, loops=1)
def break_over_rows(x):
    total = torch.zeros(())
    for value in x:
        if value < 0:
            break
        total = total + value
    return total


@program(*VALUES, loops=1)
def two_breaks(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        if x[i] < 0:
            total = total - 100
            break
        total = total + x[i]
        if total > 7:
            break
        total = total * 1.5
    return total


@program(*VALUES, loops=1)
def continue_on_a_tensor(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        if x[i] < 2:
            continue
        total = total + x[i]
    return total


@program(*VALUES, loops=1)
def continue_on_the_index(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        if i % 2:
            continue
        total = total * 0.5 + x[i]
    return total


@program(*VALUES, loops=1)
def continue_and_break(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        if x[i] < 2:
            continue
        if x[i] > 4:
            break
        total = total + x[i]
    return total


@program(*VALUES, loops=1)
def return_in_a_loop(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        total = total + x[i]
        if total > 5:
            return total * 100
    return total


@program(*VALUES, loops=1)
def return_of_the_index(x):
    for i in range(x.size(0)):
        if x[i] > 4:
            return i
    return -1


@program(*VALUES, loops=1)
def return_of_a_tuple_in_a_loop(x):
    best = torch.zeros(())
    for i in range(x.size(0)):
        if x[i] > 4:
            return best, i
        best = torch.maximum(best, x[i])
    return best, -1


@program(of((5, 4)), of((5, 1)), given([[9.0, 0.0], [0.0, 9.0]]), of((0, 2)), loops=2)
def return_in_an_inner_loop(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        for j in range(x.size(1)):
            total = total + x[i, j].abs()
            if total > 4:
                return total, i * 10 + j
    return total, -1


@program(of((5, 4)), given([[9.0, 0.0], [0.0, 9.0]]), loops=2)
def break_of_the_inner_loop_only(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        for j in range(x.size(1)):
            if x[i, j] > 1:
                break
            total = total + x[i, j]
        total = total + 10
    return total


@program(of((5, 4)), given([[9.0, 0.0], [0.0, 9.0]]), loops=2)
def continue_of_the_outer_loop(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        if x[i].sum() < 0:
            continue
        for j in range(x.size(1)):
            total = total + x[i, j]
    return total


@program(*VALUES, loops=1)
def for_else(x):
    for i in range(x.size(0)):
        if x[i] > 4:
            found = x[i]
            break
    else:
        found = torch.tensor(-1.0)
    return found * 2


@program(*VALUES, loops=1)
def for_else_without_break(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        total = total + x[i]
    else:
        total = total + 100
    return total


@program(given(3.0), given(300.0), given(0.5), loops=1)
def while_else(x):
    n = torch.zeros((), dtype=torch.int64)
    while x > 1:
        x = x / 2
        n = n + 1
        if n > 5:
            break
    else:
        x = x - 100
    return x, n


@program(given(3.0), given(300.0), loops=1)
def continue_in_a_while(x):
    total = torch.zeros(())
    while x > 1:
        x = x - 0.75
        if x > 2:
            continue
        total = total + x
    return total


@program(given(3.0), given(300.0), given(0.0), loops=1)
def return_in_a_while(x):
    i = 0
    while i < 10:
        x = x * 2
        if x > 100:
            return x, i
        i += 1
    return -x, i


@program(given(3.0), given(300.0), loops=1)
def return_from_while_true(x):
    while True:
        if x > 100:
            return x
        x = x * 1.5 + 1


@program(*VALUES)
def break_always(x):
    total = torch.zeros(())
    for value in x:
        total = total + value
        break
    return total


@program(*VALUES)
def code_after_return(x):
    for i in range(x.size(0)):
        return x[i] * 2
    return x.sum()


@program(*VALUES, loops=1)
def exit_in_nested_branches(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        if x[i] > 0:
            if x[i] > 5:
                break
            elif x[i] > 3:
                continue
            total = total + 1
        else:
            total = total - 1
        total = total * 2
    return total


@program(*VALUES, loops=1)
def loop_after_a_loop_that_broke(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        if x[i] > 2:
            break
        total = total + 1
    for value in x:
        total = total + value
        if total > 8:
            break
    return total


@program(*VALUES, loops=1)
def nothing_is_returned(x):
    for i in range(x.size(0)):
        x[i] = x[i] * 2
        if x[i] > 8:
            return


@program(*VALUES, loops=1)
def raise_in_a_loop(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        total = total + x[i]
        if x[i] > 50:
            raise RuntimeError("too large")
    return total
