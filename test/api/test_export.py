"""Exported programs give what the in-process ones give, bit for bit, with the same aliases and changes."""

from __future__ import annotations

import collections
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checking import assert_like
from torch import nn
from torch.utils import _pytree as pytree
from torch.utils.flop_counter import FlopCounterMode

import jic
from jic.errors import JicError, ProgramError, SignatureError, UnsupportedError
from jic.runtime.exported import LoadedModule

F = nn.functional


def assert_same_bits(actual: Any, expected: Any) -> None:
    """Equal structures, types, strides and values; NaN equals NaN."""
    got, got_spec = pytree.tree_flatten(actual)
    want, want_spec = pytree.tree_flatten(expected)
    assert got_spec == want_spec
    for a, b in zip(got, want, strict=True):
        if not isinstance(b, torch.Tensor):
            assert type(a) is type(b) and repr(a) == repr(b)
            continue
        assert a.dtype == b.dtype and a.shape == b.shape and a.stride() == b.stride()
        same = a.contiguous().view(torch.uint8) if a.dim() else a.reshape(1).view(torch.uint8)
        assert torch.equal(same, b.contiguous().view(torch.uint8) if b.dim() else b.reshape(1).view(torch.uint8))


def check(fn: Callable[..., Any], *args: Any, path: Path, **options: Any) -> Any:
    """Export `fn`, load it, compare a call of it with the compiled and the eager one; returns what was loaded."""
    calls = [fn, jic.compile(fn, strict=False), jic.load(jic.export(fn, *args, path=path, **options))]
    results = []
    with torch.no_grad():
        for call in calls:
            if isinstance(call, nn.Module) and call is not calls[2]:
                state = copy.deepcopy(fn.state_dict())  # type: ignore[attr-defined]
            given = copy.deepcopy(args)
            torch.manual_seed(7)
            results.append((call(*given), given))
            if isinstance(call, nn.Module) and call is not calls[2]:
                fn.load_state_dict(state)  # type: ignore[attr-defined]
        assert_same_bits(results[2], results[1])
        assert_like(results[2], results[0])
    return calls[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.jic"


# ---- what is computed ----


def chain(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.softmax(F.gelu(x * 2 + y), -1) @ y.t()


def loop(x: torch.Tensor, n: torch.Tensor) -> Any:
    total, steps = x, 0
    while total.sum() < n:
        total, steps = total * 1.5 + 1, steps + 1
    return total, steps


def with_aten(x: torch.Tensor, y: torch.Tensor) -> Any:
    values, places = torch.sort(x * y, -1)
    return values + 1, places


def random(x: torch.Tensor) -> torch.Tensor:
    return F.dropout(x, 0.3) + torch.rand_like(x)


@pytest.mark.parametrize(
    ("fn", "args"),
    [
        (chain, (torch.randn(7, 33), torch.randn(7, 33))),
        (chain, (torch.randn(33, 7).t(), torch.randn(7, 66)[:, ::2])),
        (chain, (torch.randn(3, 17, dtype=torch.bfloat16), torch.randn(3, 17, dtype=torch.bfloat16))),
        (loop, (torch.rand(5), torch.tensor(100.0))),
        (with_aten, (torch.randn(4, 9, dtype=torch.float64), torch.randn(4, 9, dtype=torch.float64))),
        (random, (torch.randn(40),)),
    ],
)
def test_functions(fn: Callable[..., Any], args: tuple[Any, ...], path: Path) -> None:
    check(fn, *args, path=path)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.GRUCell(5, 6), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        h = x.new_zeros(x.shape[0], 6)
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
        return {"state": h, "out": self.head(h)}


@pytest.mark.parametrize(
    ("module", "args"),
    [
        (nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten()), (torch.randn(2, 3, 6, 7),)),
        (nn.TransformerEncoderLayer(8, 2, 13, batch_first=True), (torch.randn(2, 5, 8),)),
        (Recurrent(), (torch.randn(3, 9, 5),)),
    ],
)
def test_modules(module: nn.Module, args: tuple[Any, ...], path: Path) -> None:
    loaded = check(module.eval(), *args, path=path)
    assert isinstance(loaded, nn.Module) and loaded.state_dict().keys() == module.state_dict().keys()
    assert [n for n, _ in loaded.named_modules()] == [n for n, _ in module.named_modules()]


@pytest.mark.parametrize("level", ["x86-64-v3", "x86-64-v4"])
def test_named_levels(level: str, path: Path) -> None:
    x, y = torch.randn(9, 31), torch.randn(9, 31)
    try:
        loaded = jic.load(jic.export(chain, x, y, path=path, targets=(f"cpu:{level}",)))
    except jic.errors.ArtifactError as error:
        assert "lacks features" in error.message
        pytest.skip(f"this machine is not of {level}")
    assert_like(loaded(x, y), chain(x, y))


def test_the_best_program_is_taken(path: Path) -> None:
    x, y = torch.randn(4, 31), torch.randn(4, 31)
    jic.export(chain, x, y, path=path, targets=("cpu:x86-64-v3", "cpu"))
    assert_same_bits(jic.load(path)(x, y), jic.compile(chain)(x, y))


# ---- what results are ----


def views(x: torch.Tensor, y: torch.Tensor) -> Any:
    z = x * 2
    return x, x.t(), y[1:, ::2], z, z[0], [z.t(), z], z.shape, x.max().item(), "text", None, torch.float16, -0.0


def test_aliases(path: Path) -> None:
    x, y = torch.randn(4, 6), torch.randn(5, 7)
    loaded = check(views, x, y, path=path)
    result = loaded(x, y)
    assert result[0] is x and result[5][1] is result[3] and type(result[6]) is torch.Size
    assert result[1].data_ptr() == x.data_ptr() and result[2].data_ptr() == y[1:].data_ptr()
    assert result[4].data_ptr() == result[3].data_ptr() == result[5][0].data_ptr()


def changes(batch: dict[str, Any], out: list[torch.Tensor]) -> Any:
    out[0].add_(batch["x"])
    out[1][1:].mul_(batch["scale"])
    return out, batch, out[0].t()


def test_arguments_that_are_changed_and_returned(path: Path) -> None:
    batch, out = {"x": torch.randn(3, 4), "scale": 2.0}, [torch.randn(3, 4), torch.randn(5)]
    loaded = check(changes, batch, out, path=path)
    result = loaded(batch, out)
    assert result[0] is out and result[1] is batch and result[2].data_ptr() == out[0].data_ptr()
    shared = torch.randn(3, 4)
    with pytest.raises(SignatureError, match="shares memory"):
        loaded({"x": shared, "scale": 2.0}, [shared, torch.randn(5)])


def one_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return x if x.sum() > 0 else y


def test_a_result_that_is_one_of_two_arguments(path: Path) -> None:
    x, y = torch.ones(3), torch.zeros(3)
    loaded = check(one_of, x, y, path=path)
    assert loaded(x, y) is x
    assert loaded(-x, y) is y


def kinds(x: torch.Tensor) -> Any:
    shared = [x + 1]
    return collections.OrderedDict(b=shared, a=shared), torch.max(x, 0), (), {3: x.new_empty(0)}


def test_kinds_of_containers(path: Path) -> None:
    result = check(kinds, torch.randn(3, 3), path=path)(torch.randn(3, 3))
    assert result[0]["b"] is result[0]["a"] and isinstance(result[1], torch.return_types.max)


def scaled(x: torch.Tensor, by: float, *, times: int = 1) -> Any:
    return x * by + times, times


def test_numbers_are_constants_or_inputs(path: Path) -> None:
    x = torch.randn(6)
    loaded = check(scaled, x, 0.5, path=path)
    with pytest.raises(SignatureError, match=r"argument 1 is 0.25, expected 0.5"):
        loaded(x, 0.25)
    loaded = jic.load(jic.export(scaled, x, 0.5, keywords={"times": 3}, numbers=True, path=path))
    assert_like(loaded(x, 7.25, times=-4), scaled(x, 7.25, times=-4))
    with pytest.raises(SignatureError, match="argument 1 is 3, expected a Python float"):
        loaded(x, 3, times=-4)
    loaded = jic.load(jic.export(scaled, x, 0.5, keywords={"times": 3}, numbers=["times"], path=path))
    assert_like(loaded(x, 0.5, times=9), scaled(x, 0.5, times=9))
    with pytest.raises(SignatureError):
        loaded(x, 0.75, times=9)
    with pytest.raises(jic.errors.ConfigError, match="holds no int or float"):
        jic.export(scaled, x, 0.5, numbers=[0], path=path)


def test_arguments_by_name_or_position(path: Path) -> None:
    x = torch.randn(6)
    loaded = jic.load(jic.export(scaled, x, 0.5, path=path))
    assert_same_bits(loaded(by=0.5, x=x), loaded(x, 0.5))
    loaded = jic.load(jic.export(chain, keywords={"y": x[None], "x": x[None]}, path=path))
    assert_same_bits(loaded(x[None], x[None]), loaded(x=x[None], y=x[None]))
    with pytest.raises(SignatureError, match="1 positional arguments are given, expected 0"):
        loaded(x[None])


def test_several_signatures(path: Path) -> None:
    shapes = [(2, 8), (3, 8), (3, 9)]
    examples = [(torch.randn(s), torch.randn(s)) for s in shapes]
    loaded = jic.load(jic.export(chain, path=path, signatures=examples))
    for x, y in examples:
        assert_same_bits(loaded(x, y), jic.compile(chain)(x, y))
    with pytest.raises(SignatureError, match="3 signatures were exported") as caught:
        loaded(torch.randn(4, 8), torch.randn(4, 8))
    assert caught.value.code == "JIC013"


# ---- weights ----


class Tied(nn.Module):
    calls: torch.Tensor
    mask: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(11, 6), nn.Linear(6, 11, bias=False)
        self.head.weight = self.embedding.weight
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mask", torch.rand(6, 22)[:, ::2], persistent=False)
        self.bias = nn.Parameter(torch.randn(6, 11).t())
        self.unused = nn.Parameter(torch.randn(3))
        self.table = torch.randn(11)

    def forward(self, ids: torch.Tensor) -> Any:
        self.calls += 1
        hidden = self.embedding(ids)
        return self.head(hidden) + self.mask.sum(0) + self.bias.sum(1) + self.table, self.bias.t(), self.mask


def test_weights_are_read_changed_and_replaced(path: Path) -> None:
    module = Tied()
    ids = torch.randint(11, (2, 5))
    loaded = check(module, ids, path=path)
    assert loaded.head.weight is loaded.embedding.weight and loaded.calls == 1
    assert loaded.bias.stride() == module.bias.stride() and loaded.mask.stride() == module.mask.stride()
    assert not any(p.requires_grad for p in loaded.parameters())
    assert loaded(ids)[2] is loaded.mask and loaded(ids)[1].data_ptr() == loaded.bias.data_ptr()
    other = Tied()
    other.table, other.mask = module.table, module.mask
    loaded.load_state_dict(other.state_dict())
    with torch.no_grad():
        assert_like(loaded(ids), other(ids))
        loaded.bias = nn.Parameter(torch.zeros(6, 11).t(), requires_grad=False)
        other.bias.zero_()
        assert_like(loaded(ids), other(ids))
    loaded.bias = nn.Parameter(torch.zeros(11, 6), requires_grad=False)
    with pytest.raises(SignatureError, match=r"parameter bias is float32\[11, 6\], expected .* of strides \[1, 11\]"):
        loaded(ids)
    loaded.bias = nn.Parameter(torch.zeros(6, 11).t(), requires_grad=False)
    loaded.head.weight = nn.Parameter(torch.zeros(11, 6), requires_grad=False)
    with pytest.raises(SignatureError, match=r"were one tensor"):
        loaded(ids)


def test_two_loads_and_copies_are_independent(path: Path) -> None:
    jic.export(Tied(), ids := torch.randint(11, (2, 5)), path=path)
    first: Any = jic.load(path)
    second: Any = jic.load(path)
    with torch.no_grad():
        first.bias.fill_(3.0)
    copied = copy.deepcopy(first)
    assert_same_bits(copied(ids), first(ids))
    assert copied.head.weight is copied.embedding.weight and copied.bias is not first.bias
    assert not torch.equal(second.bias, first.bias) and not torch.equal(jic.load(path).bias, first.bias)
    assert copied.calls == first.calls == 1 and second.calls == 0


def test_what_a_function_captures_goes_along(path: Path) -> None:
    weight, offset = torch.randn(5, 5).t(), torch.tensor(2.0)

    def function(x: torch.Tensor) -> Any:
        offset.add_(1)
        return x @ weight + offset, weight

    before = offset.clone()
    loaded = jic.load(jic.export(function, x := torch.randn(3, 5), path=path))
    assert torch.equal(offset, before)
    result = loaded(x)
    assert_like(result, function(x))
    assert_like(again := loaded(x), function(x))
    assert again[1] is result[1] and result[1].stride() == weight.stride()


def test_a_module_stays_what_it_was_compiled_for(path: Path) -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)).eval()
    loaded = check(module, x := torch.randn(2, 4), path=path)
    assert isinstance(loaded, LoadedModule) and not loaded.training
    for convert in (
        lambda: loaded.double(),
        lambda: loaded.to(torch.bfloat16),
        lambda: loaded.to("meta"),
        loaded.get_submodule("0").half,
    ):
        with pytest.raises(UnsupportedError, match="keeps its dtypes"):
            convert()
    loaded.to("cpu").to(torch.float32).eval()
    assert_like(loaded(x), module(x).detach())
    with pytest.raises(SignatureError, match="in training mode"):
        loaded.train()(x)
    with pytest.raises(UnsupportedError, match="Linear inside an exported module"):
        loaded.eval().get_submodule("0")(x)
    with pytest.raises(TypeError, match="cannot be pickled"):
        torch.save(loaded, path)


def test_hooks_of_a_loaded_module(path: Path) -> None:
    loaded: Any = jic.load(jic.export(nn.Linear(4, 3), x := torch.randn(2, 4), path=path))
    plain = loaded(x)
    hook = loaded.register_forward_hook(lambda module, args, result: result + 1)
    assert torch.equal(loaded(x), plain + 1)
    hook.remove()
    seen: list[Any] = []
    every = nn.modules.module.register_module_forward_pre_hook(lambda module, args: seen.append(module))
    assert torch.equal(loaded(x), plain)
    every.remove()
    assert seen == [loaded] and torch.equal(loaded(x), plain)


def test_a_method_of_a_module(path: Path) -> None:
    module = Recurrent()
    loaded = jic.load(jic.export(module.head.forward, x := torch.randn(2, 6), path=path))
    assert_like(loaded(x), module.head(x).detach())
    assert loaded.weight.shape == (3, 6)


# ---- calls that do not fit ----


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("export") / "model.jic"
    return jic.load(jic.export(chain, torch.randn(3, 4), torch.randn(3, 4), path=path))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda x: (x[:2], x), r"argument 0 is float32\[2, 4\], expected float32\[3, 4\]"),
        (lambda x: (x, x.double()), r"argument 1 is float64\[3, 4\]"),
        (lambda x: (x, torch.randn(4, 3).t()), r"of strides \[1, 3\], expected float32\[3, 4\]"),
        (lambda x: (x,), "1 positional arguments are given, expected 2"),
        (lambda x: (x, x, x), "3 positional arguments"),
        (lambda x: (x, [1, 2]), r"argument 1 is \[1, 2\], expected a tensor"),
        (lambda x: (x, x.clone().requires_grad_()), "requires a gradient"),
        (lambda x: (x, x.to("meta")), "on meta"),
        (lambda x: (x, x.to_sparse()), "plain dense tensor"),
    ],
)
def test_calls_that_do_not_fit(fitted: Any, make: Callable[[torch.Tensor], tuple[Any, ...]], text: str) -> None:
    with pytest.raises(SignatureError, match=text) as caught:
        fitted(*make(torch.randn(3, 4)))
    assert caught.value.code == "JIC013"


def test_state_that_does_not_fit(fitted: Any) -> None:
    x = torch.randn(3, 4)
    torch.set_default_dtype(torch.float64)
    try:
        with pytest.raises(SignatureError, match="default dtype is torch.float64, expected torch.float32"):
            fitted(x, x)
    finally:
        torch.set_default_dtype(torch.float32)
    with torch.autocast("cpu"), pytest.raises(SignatureError, match="autocast"):
        fitted(x, x)
    with FlopCounterMode(display=False), pytest.raises(SignatureError, match="dispatch mode"):
        fitted(x, x)
    assert_like(fitted(x, x), chain(x, x))


def test_a_program_that_gives_up_says_why(path: Path) -> None:
    loaded = jic.load(jic.export(lambda x, i: x[i], x := torch.randn(4), torch.tensor([0, 1]), path=path))
    assert_same_bits(loaded(x, torch.tensor([3, -4])), x[torch.tensor([3, -4])])
    with pytest.raises(ProgramError, match="index out of range") as caught:
        loaded(x, torch.tensor([3, 4]))
    assert isinstance(caught.value, JicError) and caught.value.code == "JIC014"
