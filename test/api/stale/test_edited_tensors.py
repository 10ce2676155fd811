"""Tensors that a call reads besides its arguments: rebound, replaced, tied, changed in place and in kind."""

from __future__ import annotations

import pytest
from support.twins import Check, Quiet

PROGRAM = """
    import torch
    class Holder: pass
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.randn(4))
            self.register_buffer("b", torch.randn(4))
            self.plain = torch.randn(4)
        def forward(self, x):
            return x * self.w + self.b - self.plain
    G = torch.randn(4)
    h, net = Holder(), Net()
    h.t = torch.randn(4)
    Holder.c = torch.randn(4)
    LIST, TABLE = [torch.randn(4)], {"a": torch.randn(4)}
    def make():
        cell, other = torch.randn(4), torch.randn(4)
        def inner(x): return x * cell
        def rebind(t):
            nonlocal cell
            cell = t
        return inner, rebind
    inner, rebind = make()
    def helper(x, t=torch.randn(4), *, k=torch.randn(4)):
        return x + t * k
    def f(x):
        return helper(net(inner(x))) * G + h.t * Holder.c + LIST[0] + TABLE["a"]
    """
REBOUND = {
    "global": "G = {}",
    "attribute": "h.t = {}",
    "class attribute": "Holder.c = {}",
    "shadowed class attribute": "h.c = {}; Holder.c = torch.randn(4)",
    "list": "LIST[0] = {}",
    "dict": "TABLE['a'] = {}",
    "closure": "rebind({})",
    "cell": "inner.__closure__[0].cell_contents = {}",
    "default": "helper.__defaults__ = ({},)",
    "keyword default": "helper.__kwdefaults__['k'] = {}",
    "parameter": "net.w = torch.nn.Parameter({})",
    "parameter table": "net._parameters['w'] = torch.nn.Parameter({})",
    "buffer": "net.b = {}",
    "buffer table": "net._buffers['b'] = {}",
    "plain tensor of a module": "net.plain = {}",
    "module dict": "vars(net)['plain'] = {}",
    "tensor data": "G.data = {}",
    "parameter data": "net.w.data = {}",
    "set_": "G.set_({})",
    "swapped tensors": "torch.utils.swap_tensors(G, {})",
}
VALUES = {
    "like": "torch.randn(4)",
    "smaller": "torch.randn(1)",
    "rows": "torch.randn(3, 4)",
    "strided": "torch.randn(4, 3).T",
    "expanded": "torch.randn(1).expand(4)",
    "double": "torch.randn(4, dtype=torch.float64)",
    "wrong shape": "torch.randn(5)",
}


@pytest.mark.parametrize("where", REBOUND)
def test_tensor_rebound(check: Check, where: str) -> None:
    values = [
        v for kind, v in VALUES.items() if kind != "double" or where not in ("set_", "tensor data", "parameter data")
    ]
    check(PROGRAM, *(REBOUND[where].format(value) for value in values))


@pytest.mark.parametrize("where", ["global", "list", "closure", "default", "parameter", "buffer", "parameter data"])
def test_tensor_rebound_with_gradients(check: Check, where: str) -> None:
    check(PROGRAM, REBOUND[where].format("torch.randn(4)"), REBOUND[where].format("torch.randn(3, 4)"), grad=True)


@pytest.mark.parametrize(
    "where", ["global", "attribute", "list", "dict", "closure", "default", "plain tensor of a module"]
)
def test_tensor_becomes_something_else(check: Check, where: str) -> None:
    values = ("2.0", "None", "torch.randn(4)", "[1.0]", "3", "torch.nn.Parameter(torch.randn(4))", "'a'", "2.0")
    if "module" in where:
        values = values[:5]  # where a parameter is, a module takes no text
    check(PROGRAM, *(REBOUND[where].format(value) for value in values))


@pytest.mark.parametrize("where", ["global", "attribute", "class attribute", "list", "dict", "closure", "default"])
def test_something_else_becomes_a_tensor(check: Check, where: str) -> None:
    """A number first, a tensor later."""
    check(
        PROGRAM + "    " + REBOUND[where].format("2.0") + "\n",
        REBOUND[where].format("torch.randn(4)"),
        REBOUND[where].format("torch.randn(4)"),
        REBOUND[where].format("3.0"),
    )


def test_values_changed_in_place_compile_nothing(check: Check) -> None:
    check(
        PROGRAM,
        Quiet("G.add_(1)"),
        Quiet("with torch.no_grad(): net.w.mul_(2)"),
        Quiet("net.load_state_dict({k: v + 1 for k, v in net.state_dict().items()})"),
        Quiet("LIST[0][1] = 7.0"),
        Quiet("TABLE['a'].zero_()"),
        Quiet("net.w.data.fill_(3.0)"),
        Quiet("h.t.copy_(torch.randn(4))"),
    )


@pytest.mark.parametrize(
    "where", ["global", "attribute", "list", "dict", "parameter", "buffer", "plain tensor of a module"]
)
def test_like_tensors_compile_nothing(check: Check, where: str) -> None:
    """A tensor of the same kind in the same place is an input like any other."""
    edit = REBOUND[where].format("torch.randn(4)")
    check(PROGRAM, Quiet(edit), Quiet(edit))


def test_dropped_tensor_is_let_go(check: Check) -> None:
    """A tensor that was rebound is not kept alive by the compiled code."""
    twins = check(
        """
        import gc, weakref, torch
        class Holder: pass
        h = Holder()
        h.t = torch.randn(4)
        LIST = [torch.randn(4)]
        refs = [weakref.ref(h.t), weakref.ref(LIST[0])]
        def f(x):
            return x * h.t + LIST[0]
        """,
        "h.t = torch.randn(4); LIST[0] = torch.randn(4)",
    )
    twins.compiled.edit("gc.collect()")
    assert twins.compiled.evaluate("[r() is None for r in refs]") == [True, True]


def test_gradients_asked_for_later(check: Check) -> None:
    check(
        """
        import torch
        G = torch.randn(4)
        LIST = [torch.randn(4)]
        def f(x):
            y = x * G + LIST[0]
            return y, y.requires_grad
        """,
        "G.requires_grad_(True)",
        "G.requires_grad_(False)",
        "LIST[0].requires_grad_(True)",
        grad=True,
        eager=True,
    )


def test_tied_parameters(check: Check) -> None:
    check(
        """
        import torch
        a, b = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
        def f(x):
            y = b(a(x).relu())
            return y * 2 if a.weight is b.weight else y
        """,
        "b.weight = a.weight",
        "b.bias = a.bias",
        "b.weight = torch.nn.Parameter(torch.randn(4, 4))",
        "a.weight, b.weight = b.weight, a.weight",
    )


@pytest.mark.parametrize(
    "body",
    [
        "x * 2 if G is H else x + 1",
        "x * 2 if G is None else x + 1",
        "x * G.shape[0] + G.dim()",
        "x * (2 if G.dtype is torch.float32 else 3)",
        "x * (2 if G.requires_grad else 3)",
        "x * (2 if G.is_contiguous() else 3)",
        "x * (2 if isinstance(G, torch.nn.Parameter) else 3)",
        "x * len(G)",
        "x * G.storage_offset()",
        "x * (2 if hasattr(G, 'note') else 3)",
        "x * getattr(G, 'note', 5.0)",
        "x * (2 if G.grad is None else 3)",
        "x * G.numel() + G.stride(0)",
        "x * (2 if G.is_leaf else 3)",
        "x * (2 if G.device.type == 'cpu' else 3)",
        "x * len(LIST) + (1 if any(t is G for t in LIST) else 0)",
    ],
)
def test_properties_of_a_tensor(check: Check, body: str) -> None:
    check(
        f"""
        import torch
        G, H = torch.randn(4), torch.randn(4)
        LIST = [G]
        def f(x):
            return {body}
        """,
        "G = H",
        "G = torch.randn(4, dtype=torch.float64)",
        "G = torch.randn(8)[2:6:2]",
        "G.note = 2.0",
        "G = torch.nn.Parameter(torch.randn(4))",
        "G.grad = torch.ones(4)",
        "G.requires_grad_(False)",
        "LIST.append(H)",
        "G = None",
        "G = H",
        eager=True,
    )


def test_tensor_subclass_in_a_global(check: Check) -> None:
    check(
        """
        import torch
        class Sub(torch.Tensor): pass
        G = torch.randn(4)
        def f(x):
            return torch.as_tensor(x * G).as_subclass(torch.Tensor)
        """,
        "G = torch.randn(4).as_subclass(Sub)",
        "G = torch.randn(4)",
        eager=True,
    )


def test_state_that_a_call_writes(check: Check) -> None:
    check(
        """
        import torch
        class Counter(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("n", torch.zeros(()))
                self.steps, self.last = 0, None
            def forward(self, x):
                self.n += 1
                self.steps += 1
                previous = self.last
                self.last = x.mean()
                return x * self.n if previous is None else x + previous
        net = Counter()
        """,
        "net.n = torch.tensor(5.0)",
        "net.last = None",
        "net.steps = 10",
        "net.n.zero_()",
        target="net",
        state="[net.n, net.steps, net.last]",
        eager=True,
    )


def test_storage_shared_later(check: Check) -> None:
    """Two captured tensors that become views of one memory."""
    check(
        """
        import torch
        A, B = torch.randn(4), torch.randn(4)
        def f(x):
            A.add_(1)
            return x * B + A
        """,
        "B = A[:]",
        "B = torch.randn(4)",
        "B = A",
        "A = B.clone()",
        state="[A, B]",
        eager=True,
    )


@pytest.mark.parametrize("grad", [False, True])
def test_tensors_in_containers(check: Check, grad: bool) -> None:
    check(
        f"""
        import torch
        def make():
            return torch.randn(4, requires_grad={grad})
        LIST, TABLE, PAIR, NESTED = [make()], {{"a": make()}}, (make(), [make()]), {{"k": [(make(), 1)]}}
        def f(x):
            return x * LIST[0] + TABLE["a"] * PAIR[0] + PAIR[1][0] - NESTED["k"][0][0]
        """,
        "LIST[0] = make()",
        "TABLE['a'] = make()",
        "PAIR = (make(), PAIR[1])",
        "PAIR[1][0] = make()",
        "NESTED['k'][0] = (make(), 1)",
        "NESTED['k'].insert(0, (make(), 1))",
        "LIST[0] = TABLE['a']",
        "LIST[0] = torch.randn(3, 1)",
        "LIST[0] = 2.0",
        "LIST = [make()]",
        "TABLE = {'a': make()}",
        "with torch.no_grad(): LIST[0].add_(1)",
    )


def test_swapped_tensors(check: Check) -> None:
    """Two tensors that change places."""
    check(
        """
        import torch
        class Holder: pass
        h = Holder()
        h.a, h.b = torch.randn(4), torch.randn(4)
        LIST = [torch.randn(4), torch.randn(4)]
        def f(x):
            return (x * h.a + h.b) * LIST[0] - LIST[1]
        """,
        "h.a, h.b = h.b, h.a",
        "LIST.reverse()",
        "LIST[0] = h.a",
        "h.a = LIST[1]",
        "h.a = h.b = LIST[0] = LIST[1]",
        "h.a = torch.randn(4)",
    )
