"""Exported files through the C functions: the same bits as in the process that exported them, and a code for what is wrong."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from support.c_api import CError, Model, Tensor, describe
from torch import nn

import jic


def exported(tmp_path: Path, fn: Any, *args: Any, **options: Any) -> Model:
    return Model(jic.export(fn, *args, path=tmp_path / "model.jic", torch_free=True, **options))


def leaves(result: Any) -> list[Any]:
    return torch.utils._pytree.tree_leaves(result)


def assert_bits(got: list[torch.Tensor], expected: Any) -> None:
    expected = [e if isinstance(e, torch.Tensor) else torch.tensor(e) for e in leaves(expected)]
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape
        assert a.contiguous().flatten().view(torch.uint8).equal(b.detach().contiguous().flatten().view(torch.uint8))


def test_module_with_weights(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(7, 13), nn.GELU(), nn.LayerNorm(13), nn.Linear(13, 5)).eval()
    x = torch.randn(3, 7)
    model = exported(tmp_path, net, x)
    assert model.infos("input") == [("0", "float32", (3, 7), (7, 1))]
    assert model.infos("output") == [("", "float32", (3, 5), (5, 1))]
    with torch.no_grad():
        assert_bits(model(x), jic.compile(net)(x))


def test_any_strides(tmp_path: Path) -> None:
    """Inputs and outputs in whatever order; nothing beside them is written."""
    model = exported(tmp_path, lambda x, y: (x @ y).t(), torch.randn(5, 6), torch.randn(6, 4))
    assert model.infos("output")[0][2:] == ((4, 5), (1, 4))
    x, y = torch.randn(6, 5), torch.randn(12, 9)
    x, y = x.t(), y[::2, 1:8:2]
    plain = model(x.contiguous(), y.contiguous())[0]
    for memory, out in (
        (m := torch.full((4, 5), -7.0), m),
        (m := torch.full((5, 4), -7.0), m.t()),
        (m := torch.full((9, 11), -7.0), m[1:5, 2:7]),
        (m := torch.full((9, 31), -7.0), m[::2, 1:31:6][:4]),
    ):
        model(x, y, outputs=[out])
        assert_bits([out], plain)
        assert (memory == -7).sum() == memory.numel() - 20
    expanded = torch.randn(1, 6).expand(5, 6)
    assert_bits(model(expanded, y), model(expanded.contiguous(), y.contiguous()))


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "int16", "int32", "int64", "bfloat16", "float16", "float64"]
)
def test_dtypes(tmp_path: Path, dtype: str) -> None:
    kind = getattr(torch, dtype)
    x = torch.randint(0, 2, (5, 3)).to(kind)
    fn = (lambda x: ~x) if dtype == "bool" else (lambda x: x * 3 + 1)
    model = exported(tmp_path, fn, x)
    assert model.infos("input")[0][1] == dtype
    assert_bits(model(x), fn(x))


def test_structures_and_views(tmp_path: Path) -> None:
    """Dicts, a view of a result, an argument returned, one tensor in two places, an argument's view."""

    def fn(pair, *, scale):
        a, b = pair
        c = a + b
        return {"sum": c, "row": c[1], "again": c, "argument": b, "view": b[:, 1:], "scaled": [a * scale]}

    a, b, scale = torch.randn(3, 4), torch.randn(3, 4), torch.tensor(2.5)
    model = exported(tmp_path, fn, (a, b), keywords={"scale": scale})
    assert [n for n, *_ in model.infos("input")] == ["0.0", "0.1", "scale"]
    assert [n for n, *_ in model.infos("output")] == ["sum", "row", "argument", "view", "scaled.0"]
    expected = fn((a, b), scale=scale)
    del expected["again"]
    assert_bits(model(a, b, scale), expected)
    with pytest.raises(CError, match="JIC_ERROR_STRIDES.*view of tensor 1"):
        model(a, b.t().contiguous().t(), scale)


def test_numbers(tmp_path: Path) -> None:
    path = jic.export(lambda x, n, r: x * n + r, torch.randn(4), 3, 0.5, numbers=True, path=tmp_path / "model.jic")
    model, loaded = Model(path), jic.load(path)
    assert [i[1:3] for i in model.infos("input")] == [("float32", (4,)), ("int64", ()), ("float64", ())]
    x = torch.randn(4)
    for n, r in ((3, 0.5), (-7, 1e-3)):
        assert_bits(model(x, torch.tensor(n), torch.tensor(r, dtype=torch.float64)), loaded(x, n, r))


def test_arguments_changed_in_place(tmp_path: Path) -> None:
    def fn(x, y):
        x.add_(y)
        return x * 2

    x, y = torch.randn(4, 6), torch.randn(4, 6)
    model = exported(tmp_path, fn, x, y)
    for given in (x.clone(), torch.randn(6, 4).t()):
        before = given.clone()
        assert_bits([*model(given, y), given], [(before + y) * 2, before + y])
    with pytest.raises(CError, match="JIC_ERROR_STRIDES.*overlaps input 1"):
        model(x, x)
    with pytest.raises(CError, match="JIC_ERROR_STRIDES.*one element twice"):
        model(torch.randn(1, 6).expand(4, 6), y)


def test_weights_changed_in_place(tmp_path: Path) -> None:
    """The model's own copy changes, one run at a time; the file does not."""

    class Counter(nn.Module):
        total: torch.Tensor

        def __init__(self):
            super().__init__()
            self.register_buffer("total", torch.zeros(1000))

        def forward(self, x):
            self.total.add_(x)
            return self.total + 0

    path = jic.export(Counter(), torch.ones(1000), path=tmp_path / "counter.jic")
    model, other, before = Model(path), Model(path), path.read_bytes()
    assert [float(model(torch.ones(1000))[0][-1]) for _ in range(3)] == [1, 2, 3]
    threads = [threading.Thread(target=lambda: [model(torch.ones(1000)) for _ in range(50)]) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert_bits(model(torch.ones(1000)), torch.full((1000,), 204.0))
    assert float(other(torch.ones(1000))[0][0]) == 1 and path.read_bytes() == before


def test_loops_branches_and_early_returns(tmp_path: Path) -> None:
    def fn(x, n):
        k = torch.zeros((), dtype=torch.int64)
        while k < n:
            k = k + 1
            if x.sum() > 100:
                return x - 1, k
            x = x * 1.5
        return x, k

    model = exported(tmp_path, fn, torch.rand(3), torch.tensor(5))
    compiled = jic.compile(fn)
    for x, n in ((torch.rand(3), 0), (torch.rand(3), 7), (torch.rand(3) * 50, 40), (torch.ones(3), 200)):
        assert_bits(model(x, torch.tensor(n)), compiled(x, torch.tensor(n)))


def test_index_out_of_range(tmp_path: Path) -> None:
    model = exported(tmp_path, lambda x, i: x[i], torch.randn(4), torch.tensor([1, 2]))
    x = torch.randn(4)
    assert_bits(model(x, torch.tensor([3, -4])), x[[3, 0]])
    with pytest.raises(CError, match="JIC_ERROR_INDEX"):
        model(x, torch.tensor([0, 4]))
    assert_bits(model(x, torch.tensor([0, 1])), x[:2])


def test_signatures(tmp_path: Path) -> None:
    net = nn.Linear(4, 2)
    model = exported(tmp_path, net, signatures=[(torch.randn(n, 4),) for n in (1, 3, 5)])
    assert model.library.jic_num_signatures(model.pointer) == 3
    with torch.no_grad():
        for number, n in enumerate((1, 3, 5)):
            x = torch.randn(n, 4)
            assert model.find([x]) == number
            assert f"[{n}, 4]" in model.library.jic_signature_text(model.pointer, number).decode()
            assert_bits(model(x, signature=number), jic.compile(net)(x))
    for wrong in ([torch.randn(2, 4)], [torch.randn(1, 4).double()], []):
        with pytest.raises(CError, match="JIC_ERROR_SIGNATURE"):
            model.find(wrong)
    with pytest.raises(CError, match="JIC_ERROR_SIGNATURE: signature 3, the model has 3"):
        model.run([], [], 3)


def test_empty_and_scalar_tensors(tmp_path: Path) -> None:
    model = exported(tmp_path, lambda x, s: (x + s, s * 2), torch.empty(0, 3), torch.tensor(1.0))
    assert_bits(model(torch.empty(0, 3), torch.tensor(4.0)), (torch.empty(0, 3), torch.tensor(8.0)))


def test_calls_that_do_not_fit(tmp_path: Path) -> None:
    model = exported(tmp_path, lambda x, y: x + y, torch.randn(2, 3), torch.randn(3))
    x, y, out = torch.randn(2, 3), torch.randn(3), torch.full((2, 3), 9.0)
    for inputs, outputs, expected in (
        ([x], [out], "JIC_ERROR_COUNT: 1 inputs, expected 2"),
        ([x, y], [], "JIC_ERROR_COUNT: 0 outputs, expected 1"),
        ([x, y.double()], [out], r"JIC_ERROR_DTYPE: input 1 \('1'\) is of dtype float64, expected float32"),
        ([x, y], [out.int()], "JIC_ERROR_DTYPE: output 0 is of dtype int32, expected float32"),
        ([x.t(), y], [out], r"JIC_ERROR_SHAPE: input 0 \('0'\) has shape \[3, 2\], expected \[2, 3\]"),
        ([x[0], y], [out], r"JIC_ERROR_SHAPE.*rank 1, expected \[2, 3\]"),
        ([x, y], [out[0].expand(2, 3)], "JIC_ERROR_STRIDES.*one element twice"),
        ([x, y], [x], "JIC_ERROR_STRIDES: output 0 overlaps another tensor of the call"),
    ):
        with pytest.raises(CError, match=expected):
            model.run([describe(t) for t in inputs], [describe(t) for t in outputs])
    ok = describe(x)
    for change, expected in (
        ({"data": None}, "JIC_ERROR_ARGUMENT.*no data"),
        ({"data": ok.data + 1}, "JIC_ERROR_ARGUMENT.*multiple of its element"),
        ({"shape": None}, "JIC_ERROR_ARGUMENT.*no shape"),
        ({"rank": -1}, "JIC_ERROR_SHAPE"),
        ({"rank": 2**31 - 1}, "JIC_ERROR_SHAPE"),
        ({"dtype": 99}, "JIC_ERROR_DTYPE.*99"),
        ({"dtype": -1}, "JIC_ERROR_DTYPE"),
        ({"strides": (ctypes.c_int64 * 2)(-3, 1)}, "JIC_ERROR_STRIDES"),
        ({"strides": (ctypes.c_int64 * 2)(2**62, 1)}, "JIC_ERROR_STRIDES"),
    ):
        bad = Tensor(ok.data, ok.dtype, ok.rank, ok.shape, ok.strides)
        for name, value in change.items():
            setattr(bad, name, value)
        with pytest.raises(CError, match=expected):
            model.run([bad, describe(y)], [describe(out)])
    assert (out == 9).all(), "a call that was refused has written"
    row_major = Tensor(ok.data, ok.dtype, ok.rank, ok.shape, None)
    model.run([row_major, describe(y)], [describe(out)])
    assert_bits([out], x + y)


def test_null_pointers(tmp_path: Path) -> None:
    model = exported(tmp_path, lambda x: x + 1, torch.randn(2))
    library = model.library
    assert library.jic_load(None, None) == library.jic_load(b"x", None) == 1
    assert library.jic_run(None, 0, None, 0, None, 0) == 1
    assert library.jic_run(model.pointer, 0, None, 1, None, 1) == 1
    assert (
        library.jic_input_info(model.pointer, 0, 0, None)
        == library.jic_find_signature(model.pointer, None, 1, None)
        == 1
    )
    assert library.jic_num_signatures(None) == library.jic_num_inputs(None, 0) == 0
    assert library.jic_signature_text(model.pointer, 1) is None
    assert library.jic_set_num_threads(0) == 1
    library.jic_free(None)
    assert library.jic_status_name(10**6) == b"an unknown status"


def test_many_threads_run_one_model(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 64)).eval()
    model = exported(tmp_path, net, torch.randn(32, 64))
    given = [torch.randn(32, 64) for _ in range(4)]
    alone = [model(x)[0] for x in given]
    wrong: list[int] = []

    def work(k: int) -> None:
        for _ in range(100):
            if not torch.equal(model(given[k])[0], alone[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
