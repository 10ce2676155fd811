"""In-place updates in loops: of slices by the loop variable, of carried tensors, and of arguments."""

from __future__ import annotations

import torch

from ._program import given, of, program

STEPS = (of((4, 15)), of((4, 1)), of((4, 0)))


@program(*STEPS, loops=1)
def columns_of_a_result(x):
    out = torch.zeros(x.shape)
    h = torch.zeros(x.size(0))
    for t in range(x.size(1)):
        h = torch.tanh(h + x[:, t])
        out[:, t] = h
    return out


@program(*STEPS, loops=1)
def result_is_empty_at_first(x):
    out = torch.empty_like(x)
    for t in range(x.size(1)):
        out[:, t] = x[:, t] * t
    return out


@program(*STEPS, loops=1)
def rows_of_a_result(x):
    out = torch.zeros(x.size(1), x.size(0))
    for t in range(x.size(1)):
        out[t] = x[:, t].exp()
    return out


@program(*STEPS, loops=1)
def ellipsis_and_last_dim(x):
    out = x.new_zeros(2, *x.shape)
    for t in range(x.size(-1)):
        out[..., t] = x[..., t] + 1
    return out


@program(of((6, 5)), of((1, 1)), loops=2)
def single_elements(x):
    out = torch.zeros(5, 6) if x.size(0) == 6 else torch.zeros(1, 1)
    for i in range(x.size(0)):
        for j in range(x.size(1)):
            out[j, i] = x[i, j] * 2
    return out


@program(*STEPS, loops=1)
def reads_what_it_wrote(x):
    out = x.clone()
    for t in range(1, x.size(1)):
        out[:, t] = out[:, t - 1] * 0.5 + x[:, t]
    return out


@program(of((9,)), of((3,)), of((2,)), loops=1)
def reads_two_before(x):
    out = x.clone()
    for t in range(2, x.size(0)):
        out[t] = out[t - 1] + out[t - 2]
    return out


@program(*STEPS, loops=1)
def augmented_slice(x):
    out = torch.ones(x.shape)
    for t in range(x.size(1)):
        out[:, t] += x[:, t]
        out[:, t] *= 2
    return out


@program(*STEPS, loops=1)
def method_on_a_slice(x):
    out = torch.ones(x.size(1), x.size(0))
    for t in range(x.size(1)):
        out[t].add_(x[:, t]).mul_(0.5)
    return out


@program(*STEPS, loops=1)
def view_under_a_name(x):
    out = torch.ones(x.size(1), x.size(0))
    for t in range(x.size(1)):
        row = out[t]
        row += x[:, t]
        row[0] = 7.0
    return out


@program(*STEPS, loops=1)
def augmented_carried_tensor(x):
    h = torch.zeros(x.size(0))
    for t in range(x.size(1)):
        h += x[:, t]
        h *= 0.5
    return h


@program(*STEPS, loops=1)
def methods_on_a_carried_tensor(x):
    h = torch.zeros(x.size(0))
    for t in range(x.size(1)):
        h.add_(x[:, t]).tanh_()
    return h


@program(*STEPS, loops=1)
def seen_through_another_name(x):
    h = torch.zeros(x.size(0))
    same = h
    for t in range(x.size(1)):
        h += x[:, t]
    return same, h


@program(*STEPS)  # unrolls, with a note
def seen_through_a_view_of_before(x):
    buffer = torch.zeros(3, x.size(0))
    middle = buffer[1]
    for t in range(x.size(1)):
        buffer += x[:, t]
        middle *= 0.5
    return buffer, middle


@program(*STEPS, loops=1)
def argument_columns(x):
    for t in range(x.size(1)):
        x[:, t] = x[:, t] * 2 + t
    return x.sum()


@program(*STEPS, loops=1)
def argument_as_a_whole(x):
    for _ in range(5):
        x.mul_(0.5).add_(1)
    return x


@program(of((15, 3), (15, 3)), loops=1)
def argument_out(x, out):
    for t in range(x.size(0)):
        out[t].copy_(x[t] * 3)


@program(of((3,), (20, 3)), loops=1)
def argument_is_the_state(h, x):
    for t in range(x.size(0)):
        h.copy_(torch.tanh(h + x[t]))
    return h


@program(*STEPS, loops=1)
def two_buffers(x):
    a, b = torch.zeros(x.shape), torch.zeros(x.shape)
    h = torch.zeros(x.size(0))
    for t in range(x.size(1)):
        h = h + x[:, t]
        a[:, t] = h
        b[:, -1 - t] = h * 2
    return a, b


@program(of((30,)), of((3,)), loops=1)
def stencil(u):
    u = u.clone()
    for _ in range(20):
        u[1:-1] += 0.2 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u


@program(of((30,)), of((3,)), loops=1)
def stencil_with_two_buffers(u):
    new = u.clone()
    for _ in range(20):
        new[1:-1] = u[1:-1] + 0.2 * (u[2:] - 2 * u[1:-1] + u[:-2])
        u, new = new.clone(), u.clone()
    return u


@program(of((12, 3)), loops=1)
def slices_of_two(x):
    out = torch.zeros(x.shape)
    for i in range(0, 12, 2):
        out[i : i + 2] = x[i : i + 2].flip(0)
    return out


@program(
    lambda: (torch.randn(6, 3), torch.tensor([4, 0, 2, 0, 4, 4])),
    lambda: (torch.randn(1, 3), torch.tensor([-1])),
    loops=1,
)
def index_from_a_tensor(x, index):
    out = torch.zeros(5, 3)
    for i in range(x.size(0)):
        out[index[i]] += x[i]
    return out


@program(
    lambda: (torch.randn(6, 3), torch.tensor([4, 0, 2, 0, 4, 4])),
    lambda: (torch.randn(1, 3), torch.tensor([0])),
    loops=1,
)
def read_at_an_index_from_a_tensor(x, index):
    total = torch.zeros(3)
    for i in index:
        total = total * 0.5 + x[i]
    return total


@program(given([5, 3, 2, 2]), given([0, 0, 0, 0]), loops=1)
def pointer_chase(following):
    at = torch.zeros((), dtype=torch.int64)
    for _ in range(10):
        at = following[at] % 4
    return at


@program(of((7, 3)), loops=1)
def fill_and_zero(x):
    out = torch.ones(7, 3)
    for i in range(x.size(0)):
        out[i].fill_(i)
        out[i, 1:].zero_()
    return out


@program(of((7, 3)), loops=1)
def assigned_number(x):
    out = torch.ones(7, 3)
    for i in range(x.size(0)):
        out[i] = i * 0.5
        out[i, 0] = 3
    return out


@program(of((7, 3)), loops=1)
def masked_write(x):
    out = torch.zeros(3)
    for row in x:
        out[row > 0] = 1.0
        out = out * 0.5
    return out


@program(of((7, 7)), loops=1)
def diagonal(x):
    out = torch.zeros(7, 7)
    for i in range(7):
        out[i, i] = x[i, 6 - i]
    return out


@program(of((7, 3)), loops=1)
def write_in_a_branch(x):
    out = torch.zeros(7, 3)
    for i in range(x.size(0)):
        if x[i].sum() > 0:
            out[i] = x[i]
        else:
            out[i, 1] = 5.0
    return out


@program(of((7, 3)), given([[1.0, -5.0], [1.0, 1.0]]), loops=1)
def write_until_break(x):
    out = torch.zeros_like(x)
    for i in range(x.size(0)):
        out[i] = x[i]
        if x[i].sum() < 0:
            break
    return out


@program(given(100.0), given(0.0), loops=1)
def write_in_a_while(x):
    trace = torch.zeros(10)
    i = 0
    while x > 1 and i < 10:
        trace[i] = x
        x = x / 2
        i += 1
    return trace, i


@program(of((5, 6)), loops=2, factor=64)
def cholesky(x):
    a = x @ x.t() + 5 * torch.eye(5)
    n = a.size(0)
    low = torch.zeros(n, n)
    for j in range(n):
        low[j, j] = torch.sqrt(a[j, j] - (low[j] * low[j]).sum())
        for i in range(j + 1, n):
            low[i, j] = (a[i, j] - (low[i] * low[j]).sum()) / low[j, j]
    return low


@program(of((9,)), given([3.0, 1.0, 2.0]), loops=2)
def bubble_sort(x):
    x = x.clone()
    n = x.size(0)
    for i in range(n):
        for j in range(n - 1 - i):
            if x[j] > x[j + 1]:
                low = x[j + 1].clone()
                x[j + 1] = x[j]
                x[j] = low
    return x


@program(of((3,)))
def list_item_update(x):
    buffers = [torch.zeros(3), torch.ones(3)]
    for i in range(2):
        buffers[i] += x
        buffers[i][0] = 9.0
    return buffers
