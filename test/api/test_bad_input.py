"""Input that is wrong, odd or empty: eager's result, eager's error, or a clear one; never a crash."""

from __future__ import annotations

import math
import random
import warnings

import pytest
import torch
from checking import assert_like, check
from torch import nn

import jic


def add(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a + b


def same_error(function, *args) -> None:
    """jic raises what eager raises."""
    with pytest.raises(Exception) as eager:
        function(*args)
    with pytest.raises(type(eager.value)) as ours:
        jic.compile(function)(*args)
    assert str(ours.value) == str(eager.value)


def test_shapes_that_do_not_broadcast() -> None:
    same_error(add, torch.randn(3), torch.randn(4))
    same_error(torch.matmul, torch.randn(3, 4), torch.randn(5, 6))


def test_wrong_dtypes() -> None:
    same_error(torch.matmul, torch.randn(3, 3), torch.randn(3, 3).double())
    same_error(lambda i, t: t[i], torch.randn(3), torch.randn(3))


def test_wrong_number_of_arguments() -> None:
    same_error(add, torch.randn(3))


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0), (2, 0, 3)])
def test_empty_tensors(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    check(lambda x: torch.relu(x) * 2, x)
    check(lambda x: x.sum(-1), x)
    check(lambda x: (x.sum(), x.softmax(-1)), x)
    check(lambda x: torch.cat([x, x], -1), x)


def test_empty_matmul() -> None:
    check(lambda a, b: a @ b + 1, torch.randn(3, 0), torch.randn(0, 4))
    check(lambda a, b: a @ b, torch.randn(0, 5), torch.randn(5, 4))


def test_maximum_of_nothing_raises_as_eager() -> None:
    same_error(lambda x: x.amax(0), torch.randn(0, 3))


def test_non_contiguous_and_overlapping() -> None:
    base = torch.randn(12, 10)
    function = lambda x: torch.exp(x) * 2 + x.sum(-1, keepdim=True)  # noqa: E731
    for x in (base.t(), base[::2, 1::3], base[:, 3:4].expand(12, 7), base.as_strided((5, 4), (2, 1)), base[3]):
        check(function, x, factor=4)


def test_nan_and_inf() -> None:
    x = torch.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-42, 3e38])
    check(
        lambda x: (torch.relu(x), x.exp(), torch.maximum(x, x * 0), x > 0, torch.isnan(x), x.sigmoid()), x, exact=True
    )
    check(lambda x: (x.amax(), x.argmax(), torch.tanh(x), torch.sign(x)), x, exact=True)
    check(lambda x: x.softmax(0), x, exact=True)


def test_index_out_of_range() -> None:
    table = torch.randn(10, 4)
    compiled = jic.compile(lambda t, i: torch.nn.functional.embedding(i, t))
    assert_like(compiled(table, torch.tensor([1, 9])), table[[1, 9]])
    with pytest.raises(IndexError):
        compiled(table, torch.tensor([1, 10]))
    assert_like(compiled(table, torch.tensor([0, 2])), table[[0, 2]])


def test_meta_tensors_and_other_devices() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = jic.compile(add)(torch.empty(3, device="meta"), torch.empty(3, device="meta"))
    assert result.device.type == "meta" and result.shape == (3,)


def test_none_strings_and_scalars() -> None:
    def f(x, flag=None, name="a", n=3, scale=0.5, on=True):
        y = x if flag is None else x * 2
        return y * n * scale if on and name == "a" else y

    x = torch.randn(3)
    compiled = jic.compile(f)
    for kwargs in ({}, {"flag": 1}, {"name": "b"}, {"n": -1}, {"scale": math.nan}, {"on": False}):
        assert_like(compiled(x, **kwargs), f(x, **kwargs))


def test_unusual_arguments_run_eagerly() -> None:
    class Thing:
        value = 2.0

    thing = Thing()
    x = torch.randn(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_like(jic.compile(lambda x, t: x * t.value)(x, thing), x * 2.0)
        sparse = torch.eye(3).to_sparse()
        assert jic.compile(lambda s: s + s)(sparse).to_dense().sum() == 6
        assert_like(jic.compile(lambda z: z * 2)(torch.tensor([1 + 2j])).imag, torch.tensor([4.0]))


def test_a_shape_that_depends_on_data_falls_back_with_a_warning() -> None:
    def f(x: torch.Tensor) -> torch.Tensor:
        count = int(x.sum())
        return x[:count] + 1

    compiled = jic.compile(f)
    with pytest.warns(UserWarning, match="eagerly"):
        assert_like(compiled(torch.ones(3)), torch.full((3,), 2.0))
    assert_like(compiled(torch.tensor([1.0, 0.0, 0.0])), torch.full((1,), 2.0))
    explanation = jic.explain(compiled)(torch.ones(3))
    assert explanation.eager and "test_bad_input.py" in str(explanation)
    with pytest.raises(jic.errors.FallbackError, match="JIC003"):
        jic.compile(f, strict=True)(torch.ones(3))


def test_op_without_lowering_is_reported() -> None:
    compiled = jic.compile(lambda x: torch.linalg.svd(x * 2).S + 1)
    x = torch.randn(4, 4)
    assert_like(compiled(x), torch.linalg.svd(x * 2).S + 1, factor=10)
    (reason, *_) = jic.explain(compiled)(x).fallbacks
    assert "svd" in reason.op and reason.location
    with pytest.raises(jic.errors.FallbackError):
        jic.compile(lambda x: torch.linalg.svd(x).S, strict=True)(x)


def test_dropout_in_train_mode_is_random() -> None:
    compiled = jic.compile(nn.Dropout(0.5).train())
    x = torch.ones(1000)
    a, b = compiled(x), compiled(x)
    assert not torch.equal(a, b) and set(a.tolist()) == {0.0, 2.0}


def seeds(x: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(3)
    return x + torch.randn(4)


def forks_the_generator(x: torch.Tensor) -> torch.Tensor:
    with torch.random.fork_rng(devices=[]):
        return x + torch.randn(4)


def draws_in_python(x: torch.Tensor) -> torch.Tensor:
    return x * random.random()


def draws_in_torch(x: torch.Tensor) -> torch.Tensor:
    return nn.functional.dropout(x, 0.5) + torch.rand(4) + torch.randint(0, 4, (4,)) + torch.bernoulli(x.sigmoid())


@pytest.mark.parametrize("function", [seeds, forks_the_generator, draws_in_python, draws_in_torch])
def test_random_state_is_as_in_eager(function) -> None:
    compiled = jic.compile(function)
    x = torch.ones(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(3):
            found = []
            for f in (function, compiled):
                torch.manual_seed(seed)
                random.seed(seed)
                found.append((f(x), torch.get_rng_state(), random.random()))
            assert_like(found[1], found[0])
    assert compiled.entries[-1].eager == (function is not draws_in_torch)


def test_sparse_csr_and_sizes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert jic.compile(lambda s: s * 2)(torch.eye(3).to_sparse_csr()).layout == torch.sparse_csr
    size, _ = jic.compile(lambda x: (x.shape, x + 1))(torch.ones(2, 3))
    assert type(size) is torch.Size and size == (2, 3)


def test_bad_configuration() -> None:
    for bad in ({"fusion_strategy": "fast"}, {"max_fusion_size": 0}, {"target_device": "tpu"}, {"enable_caching": 1}):
        with pytest.raises(jic.errors.ConfigError, match="expected"):
            jic.JitConfig(**bad)  # pyright: ignore[reportArgumentType]
    with pytest.raises(jic.errors.ConfigError):
        jic.compile(add, target="tpu")
    with pytest.raises(TypeError):
        jic.compile(3)  # pyright: ignore[reportCallIssue, reportArgumentType]


def test_recompile_limit() -> None:
    compiled = jic.compile(lambda x: x + 1, config=jic.JitConfig(recompile_limit=2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n in range(1, 6):
            assert_like(compiled(torch.ones(n)), torch.full((n,), 2.0))
    assert len(compiled.entries) == 2 and not any(e.eager for e in compiled.entries)


def test_functions_that_raise() -> None:
    def f(x: torch.Tensor) -> torch.Tensor:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        jic.compile(f)(torch.ones(1))
