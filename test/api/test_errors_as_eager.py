"""Errors are eager's, with nothing else on stderr; results of ATen calls have ATen's types; statistics are updated."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import jic

UNCACHED = jic.JitConfig(enable_caching=False)
X, Y = torch.randn(3, 4), torch.randn(3, 5)
aten = torch.ops.aten

WRONG: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "matmul": (lambda x, y: x @ y, (X, Y)),
    "cat": (lambda x, y: torch.cat([x, y], 0), (X, Y)),
    "stack of nothing": (lambda x: (x + 1, torch.stack([])), (X,)),
    "cat of nothing": (lambda x: (x + 1, torch.cat([])), (X,)),
    "broadcast": (lambda x, y: x + y, (X, Y)),
    "view": (lambda x: x.view(5, 5), (X,)),
    "reshape": (lambda x: x.reshape(5, 5), (X,)),
    "linear": (lambda x, y: F.linear(x, y), (X, Y)),
    "conv2d": (lambda x, w: F.conv2d(x[None, None], w), (X, torch.randn(2, 3, 3, 3))),
    "dim": (lambda x: x.sum(5), (X,)),
    "layer_norm": (lambda x: F.layer_norm(x, (5,)), (X,)),
    "dtypes": (lambda x: x @ x.T.double(), (X,)),
    "attention": (lambda x, y: F.scaled_dot_product_attention(x, y, y), (X, Y)),
}


@pytest.mark.parametrize("name", WRONG)
def test_only_eagers_message(name: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    fn, args = WRONG[name]
    with pytest.raises(Exception) as expected:
        fn(*args)
    capfd.readouterr()
    with pytest.raises(type(expected.value)) as found, warnings.catch_warnings(), caplog.at_level(logging.ERROR):
        warnings.simplefilter("ignore")
        jic.compile(fn, config=UNCACHED)(*args)
    assert str(found.value) == str(expected.value)
    assert "Traceback" not in capfd.readouterr().err and not caplog.records


def test_torchs_log_speaks_outside_of_a_capture(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jic.compile(lambda x, y: x @ y, config=UNCACHED)(X, Y)
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    record = logger.makeRecord(logger.name, logging.ERROR, __file__, 1, "failed", (), None)
    assert logger.filter(record)


def both(fn: Callable[..., Any], *args: Tensor) -> tuple[Any, Any]:
    """Results and changed arguments, eager's and ours."""
    found = []
    for call in (fn, jic.compile(fn, config=UNCACHED)):
        own = [a.clone() for a in args]
        with torch.no_grad():
            found.append((call(*own), own))
    return found[0], found[1]


def assert_same(found: Any, expected: Any, atol: float = 1e-5) -> None:
    ours, eager = torch.utils._pytree.tree_leaves(found), torch.utils._pytree.tree_leaves(expected)
    assert [(o.dtype, o.shape) for o in ours] == [(e.dtype, e.shape) for e in eager]
    for o, e in zip(ours, eager, strict=True):
        torch.testing.assert_close(o, e, atol=atol, rtol=atol, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
@pytest.mark.parametrize("parameters", [torch.float32, None], ids=("mixed", "same"))
def test_types_of_normalisations(dtype: torch.dtype, parameters: torch.dtype | None) -> None:
    x = torch.randn(3, 4, 5, 6).to(dtype)
    w, b, m, v = (torch.rand(4).add(0.5).to(parameters or dtype) for _ in range(4))
    calls = (
        lambda x, w, b, m, v: aten.native_batch_norm(x, w, b, m, v, True, 0.1, 1e-5),
        lambda x, w, b, m, v: aten._native_batch_norm_legit(x, w, b, m, v, True, 0.1, 1e-5),
        lambda x, w, b, m, v: aten._batch_norm_with_update(x, w, b, m, v, 0.1, 1e-5)[:3],
        lambda x, w, b, m, v: aten._batch_norm_no_update(x, w, b, m, v, 0.1, 1e-5)[:3],
        lambda x, w, b, m, v: aten.native_group_norm(x, w, b, 3, 4, 30, 2, 1e-5),
    )
    for call in calls:
        expected, found = both(call, x, w, b, m, v)
        assert_same(found, expected, atol=1e-5 if dtype == torch.float32 else 5e-2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_types_of_embedding_bags(dtype: torch.dtype, mode: str) -> None:
    table, index, offsets = torch.randn(10, 4).to(dtype), torch.randint(0, 10, (15,)), torch.tensor([0, 2, 9])
    for last in (False, True):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            expected, found = both(
                lambda i, t, o: F.embedding_bag(i, t, o, mode=mode, include_last_offset=last),  # noqa: B023
                *(index, table, offsets if not last else torch.tensor([0, 2, 15])),
            )
        assert_same(found, expected, atol=2e-2 if dtype != torch.float32 else 1e-5)


@pytest.mark.parametrize("gradient", [torch.float32, torch.float64, torch.bfloat16, torch.int64], ids=str)
@pytest.mark.parametrize("value", [torch.float32, torch.float64, torch.bfloat16, torch.int64], ids=str)
def test_threshold_backward_of_two_dtypes(gradient: torch.dtype, value: torch.dtype) -> None:
    g, x = torch.randn(3, 4).mul(5).to(gradient), torch.randn(3, 4).mul(5).to(value)
    expected, found = both(lambda g, x: aten.threshold_backward(g, x, 0.5), g, x)
    assert_same(found, expected)


def test_a_wrong_type_of_an_aten_step_gives_the_call_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from jic.runtime.aten import AtenCall

    original = AtenCall.__init__

    def wrong(self: AtenCall, step: Any) -> None:
        original(self, step)
        self._results = [(torch.int8, shape) for _, shape in self._results]

    monkeypatch.setattr(AtenCall, "__init__", wrong)
    x = torch.randn(4, 4)
    compiled = jic.compile(lambda x: torch.linalg.det(x) + 1, config=UNCACHED)
    with pytest.warns(UserWarning, match="compiled for torch.int8"):
        found = compiled(x)
    torch.testing.assert_close(found, torch.linalg.det(x) + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.testing.assert_close(compiled(x + 1), torch.linalg.det(x + 1) + 1)


@pytest.mark.parametrize("momentum", [None, 0.3])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (torch.nn.BatchNorm1d, (6, 4)), (torch.nn.BatchNorm2d, (3, 4, 5, 5)), (torch.nn.InstanceNorm1d, (3, 4, 9)),
        (torch.nn.InstanceNorm1d, (4, 9)), (torch.nn.InstanceNorm2d, (3, 4, 5, 5)), (torch.nn.InstanceNorm3d, (2, 4, 2, 3, 3)),
    ],
)  # fmt: skip
def test_running_statistics(kind: Any, shape: tuple[int, ...], training: bool, momentum: float | None) -> None:
    eager = kind(4, momentum=momentum, affine=True, track_running_stats=True).train(training)
    ours = copy.deepcopy(eager)
    compiled = jic.compile(ours, config=UNCACHED)
    with torch.no_grad():
        for _ in range(3):
            x = torch.randn(shape) * 2 + 1
            try:
                expected = eager(x)
            except TypeError as error:  # an instance norm without momentum
                with pytest.raises(TypeError, match=str(error)[:20]):
                    compiled(x)
                return
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "error" if momentum else "ignore"
                )  # the mean over all calls needs a number: eager
                torch.testing.assert_close(compiled(x), expected)
    for key, value in eager.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[key], value)


def out_view(x: Tensor, y: Tensor) -> Tensor:
    torch.arange(4, out=y[1])
    torch.full((2,), 3.0, out=y[0, 1:3])
    torch.zeros(2, 2, out=y[2:, :2])
    return x + y


def out_column(x: Tensor, y: Tensor) -> Tensor:
    torch.arange(4, out=y[:, 1])
    torch.ones(4, out=y[:, 3])
    return torch.linspace(0, 1, 4, out=y[0]) + x[0]


def out_resized(x: Tensor, y: Tensor) -> Tensor:
    return torch.arange(7, out=y)


def test_out_of_factories() -> None:
    for fn in (out_view, out_column):
        expected, found = both(fn, torch.randn(4, 4), torch.randn(4, 4))
        assert_same(found, expected)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, found = both(out_resized, torch.randn(3), torch.zeros(4))
    assert_same(found, expected)
