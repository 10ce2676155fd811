"""Numbers of the state around a call: after three values they are inputs, if they only flow into arithmetic."""

from __future__ import annotations

import pytest
import torch
from support.twins import Twins

PROGRAMS = {
    "attribute": ("class C: pass\nc = C()\nc.k = 1.0\ndef f(x): return x * c.k", "c.k = {}"),
    "attribute of a module": (
        "import torch\nclass N(torch.nn.Module):\n    def forward(self, x): return x + self.k\nf = N(); f.k = 1",
        "f.k = {}",
    ),
    "global": ("K = 1.0\ndef f(x): return x / K", "K = {}"),
    "item of a dict": ("T = {'lr': 1.0}\ndef f(x): return x - T['lr'] * x.sin()", "T['lr'] = {}"),
    "item of a list": ("L = [3, 1.0]\ndef f(x): return torch.where(x > L[1], x, x * L[1])\nimport torch", "L[1] = {}"),
    "closure": (
        "def make():\n    k = 1.0\n    def f(x): return x ** 2 + k\n    def put(v):\n        nonlocal k\n        k = v\n"
        "    return f, put\nf, put = make()",
        "put({})",
    ),
    "counter": ("class C: n = 0\nc = C()\nc.n = 0\ndef f(x):\n    c.n += 1\n    return x * c.n", ""),
    "global counter": ("n = 0\ndef f(x):\n    global n\n    n += 2\n    return x + n", ""),
    "nonlocal counter": (
        "def make():\n    n = 0\n    def f(x):\n        nonlocal n\n        n += 1\n        return x * n, n\n"
        "    return f\nf = make()",
        "",
    ),
    "step of a schedule": (
        "import math\nclass S: t = 0\ns = S()\ns.t = 0\ndef f(x):\n    s.t += 1\n    return x * (0.5 * (1 + math.cos(s.t / 10)))",
        "",
    ),
    "with an argument": ("K = 1.0\ndef f(x, y=2.0): return x * K + y", "K = {}"),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("values", [(1.5, -0.0, 2.0, float("inf"), 3.25), (2, 5, -7, 0, 11)], ids=["floats", "ints"])
def test_three_values_are_enough(tmp_path, name: str, values: tuple[float, ...]) -> None:
    source, edit = PROGRAMS[name]
    twins = Twins(tmp_path, source)
    with torch.no_grad():
        for value in (*values, *values, 17, 18, 19):
            if edit:
                value = type(values[0])(value)
                twins.edit(edit.format("float('inf')" if value == float("inf") else repr(value)))
            twins.compare(torch.randn(3, 4))
    assert not any(entry.eager for entry in twins.entries)
    assert len(twins.entries) <= 4  # the value at first, two of the kind, one for all


@pytest.mark.parametrize(
    "body",
    [
        "x[:K]",
        "x.reshape(K, -1)",
        "sum(x[i] for i in range(K))",
        "x * LAYERS[K]",
        "x * 2 if K % 2 else x",
        "x * len(str(K))",
        "x * (2 if K is 3 else 5)",
        "x + sum(T.values())",
        "x * {1: 2.0}.get(K, 7.0)",
        "torch.cat([x] * K)",
        "helper(x)",
        "next(gen(x))",
    ],
)
def test_other_uses_stay_constants(tmp_path, body: str) -> None:
    source = f"""
import torch, warnings
warnings.simplefilter("ignore")
LAYERS = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
K = 1
T = {{"k": 1, "other": 2}}
def helper(x): return x.narrow(0, 0, K)
def gen(x): yield x * K
def f(x): return {body}
"""
    twins = Twins(tmp_path, source)
    with torch.no_grad():
        for value in (1, 2, 3, 6, 2, 1):
            twins.edit(f"K = {value}; T['k'] = K")
            twins.compare(torch.randn(6, 4))
    assert not any(entry.eager for entry in twins.entries)


def test_a_number_that_becomes_something_else(tmp_path) -> None:
    twins = Twins(tmp_path, "K = 1.0\ndef f(x): return x * K")
    for value in ("2.0", "3.0", "4.0", "5", "6", "True", "None", "7.0", "10**30", "8.0", "[1]", "0.5"):
        twins.edit(f"K = {value}")
        twins.compare(torch.randn(3))
