"""Compiled functions and modules are copied, pickled and looked at as what they were made of."""

from __future__ import annotations

import copy
import functools
import inspect
import io
import pickle
import pydoc
import typing
import weakref
from typing import Any

import pytest
import torch
from torch import nn

import jic


@jic.compile
def scaled(x: torch.Tensor, k: int = 3) -> torch.Tensor:
    """Scales."""
    return x * k


def doubled(x: torch.Tensor) -> torch.Tensor:
    return x * 2


class Owner:
    factor = 2.0

    @jic.compile
    def method(self, x: torch.Tensor, *, shift: float = 1.0) -> torch.Tensor:
        """Has a text."""
        return x * self.factor + shift


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm, self.scale = nn.Linear(3, 4), nn.BatchNorm1d(4), 2.0
        self.register_buffer("shift", torch.rand(4))

    def forward(self, x: torch.Tensor, *, extra: float = 1.0) -> torch.Tensor:
        return self.norm(self.linear(x)) * self.scale + self.shift + extra

    def train(self, mode: bool = True) -> Net:
        super().train(mode)
        self.norm.eval()  # as fine-tuning often has it
        return self

    @property
    def width(self) -> int:
        return 4


@pytest.fixture
def pair() -> tuple[Net, Any]:
    net = Net().eval()
    return net, jic.compile(net)


def _same(a: Any, b: Any, x: torch.Tensor) -> bool:
    with torch.no_grad():
        return torch.allclose(a(x), b(x), atol=1e-5)


def test_what_a_function_shows() -> None:
    assert str(inspect.signature(scaled)) == str(inspect.signature(scaled.fn))
    assert typing.get_type_hints(scaled) == {"x": torch.Tensor, "k": int, "return": torch.Tensor}
    assert scaled.__wrapped__ is scaled.fn and inspect.unwrap(scaled) is scaled.fn
    assert (scaled.__name__, scaled.__doc__, scaled.__module__) == ("scaled", "Scales.", __name__)
    assert "Scales." in pydoc.render_doc(scaled) and "k: 'int' = 3" in pydoc.render_doc(scaled)
    assert "scaled" in repr(scaled) and callable(scaled) and hash(scaled) == hash(scaled)
    assert weakref.ref(scaled)() is scaled
    wrapper = functools.wraps(scaled)(lambda *args: scaled(*args))
    assert wrapper.__name__ == "scaled" and inspect.signature(wrapper) == inspect.signature(scaled)


def test_attributes_of_the_function_are_kept() -> None:
    def f(x: torch.Tensor) -> torch.Tensor:
        return x

    f.marked = 5  # type: ignore[attr-defined]
    assert jic.compile(f).marked == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize("fn", [functools.partial(doubled), torch.sin, lambda x: x + 1, nn.Linear(3, 3)])
def test_other_callables(fn: Any) -> None:
    compiled = jic.compile(fn)
    inner = getattr(compiled, "compiled", compiled)
    assert inner.__name__ and repr(inner) and pydoc.render_doc(inner)
    assert copy.copy(inner)(torch.ones(3)).shape == copy.deepcopy(inner)(torch.ones(3)).shape == (3,)


def test_copies_and_pickles_of_functions() -> None:
    assert copy.copy(scaled) is scaled and copy.deepcopy(scaled) is scaled
    assert copy.deepcopy({"f": scaled})["f"] is scaled
    assert pickle.loads(pickle.dumps(scaled)) is scaled
    config = jic.JitConfig(recompile_limit=5)
    again = pickle.loads(pickle.dumps(jic.compile(doubled, config=config)))
    assert again.fn is doubled and again.config == config
    assert torch.equal(again(torch.ones(2)), torch.full((2,), 2.0))


def test_methods() -> None:
    owner = Owner()
    assert str(inspect.signature(owner.method)) == "(x: 'torch.Tensor', *, shift: 'float' = 1.0) -> 'torch.Tensor'"
    assert list(inspect.signature(Owner.method).parameters) == ["self", "x", "shift"]
    assert torch.equal(owner.method(torch.ones(2)), torch.full((2,), 3.0))
    bound = owner.method
    assert torch.equal(bound(torch.ones(2), shift=0.0), torch.full((2,), 2.0)) and bound.__doc__ == "Has a text."


def test_attributes_of_a_module_are_the_originals(pair: tuple[Net, Any]) -> None:
    net, compiled = pair
    x = torch.randn(5, 3)
    assert _same(compiled, net, x)
    compiled.scale = 3.0
    assert net.scale == 3.0 == compiled.scale and _same(compiled, net, x)
    compiled.linear = nn.Linear(3, 4)
    assert net.linear is compiled.linear and _same(compiled, net, x)
    compiled.more = nn.Linear(1, 1)
    assert "more" in dict(net.named_children())
    del compiled.more
    assert not hasattr(net, "more") and not hasattr(compiled, "more")
    assert compiled.width == 4 and "linear" in dir(compiled) and isinstance(compiled, nn.Module)
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'nothing'"):
        compiled.nothing  # noqa: B018
    assert str(inspect.signature(compiled.forward)) == str(inspect.signature(net.forward))


def test_names_and_state(pair: tuple[Net, Any]) -> None:
    net, compiled = pair
    assert list(compiled.state_dict()) == list(net.state_dict())
    for names in ("named_parameters", "named_buffers", "named_modules", "named_children"):
        assert [n for n, _ in getattr(compiled, names)()] == [n for n, _ in getattr(net, names)()]
    parent = nn.Module()
    parent.part = compiled
    assert all(name.startswith("part.") and "_orig_mod" not in name for name in parent.state_dict())
    other = {name: torch.rand_like(t) if t.is_floating_point() else t for name, t in parent.state_dict().items()}
    parent.load_state_dict(other)
    assert torch.equal(net.linear.weight, other["part.linear.weight"]) and _same(compiled, net, torch.randn(5, 3))
    parent.double()
    assert net.shift.dtype == net.linear.weight.dtype == torch.float64
    parent.train()
    assert net.training and not net.norm.training


def test_conversions(pair: tuple[Net, Any]) -> None:
    net, compiled = pair
    x = torch.randn(5, 3)
    assert compiled.to(torch.float64) is compiled and net.linear.weight.dtype == torch.float64
    assert _same(compiled, net, x.double())
    assert compiled.half() is compiled and net.shift.dtype == torch.float16
    assert compiled.float() is compiled and _same(compiled, net, x)
    assert compiled.train() is compiled and net.training and not net.norm.training
    assert compiled.eval() is compiled and not net.training
    assert compiled.requires_grad_(False) is compiled and not any(p.requires_grad for p in net.parameters())


def test_copies_of_modules(pair: tuple[Net, Any]) -> None:
    net, compiled = pair
    x = torch.randn(5, 3)
    assert _same(compiled, net, x)
    deep = copy.deepcopy(compiled)
    assert deep._orig_mod is not net and deep.compiled is not compiled.compiled and not deep.compiled.entries
    assert _same(deep, net, x)
    with torch.no_grad():
        deep.linear.weight.zero_()
    assert not torch.equal(net.linear.weight, deep.linear.weight) and not _same(deep, net, x)
    assert copy.copy(compiled)._orig_mod is net
    file = io.BytesIO()
    torch.save(compiled, file)
    file.seek(0)
    for again in (pickle.loads(pickle.dumps(compiled)), torch.load(file, weights_only=False)):
        assert type(again) is type(compiled) and again.compiled.config == compiled.compiled.config
        assert _same(again, net, x)


def test_containers() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    compiled = jic.compile(net)
    assert len(compiled) == 2 and compiled[0] is net[0] and list(compiled) == list(net)
    assert bool(jic.compile(nn.Linear(2, 2)))
    with pytest.raises(TypeError):
        len(jic.compile(nn.Linear(2, 2)))


def test_a_compiled_module_inside_a_compiled_function(pair: tuple[Net, Any]) -> None:
    net, compiled = pair
    x = torch.randn(5, 3)
    outer = jic.compile(lambda x: compiled(x) * 2)
    for scale in (2.0, 5.0):
        net.scale = scale
        assert _same(outer, lambda x: net(x) * 2, x)
    assert not any(e.eager for e in outer.entries)
