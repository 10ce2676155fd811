"""Captured tensors: every kind of change between calls is seen, with what the last call saw and without."""

from __future__ import annotations

import ctypes
import gc
import random
from typing import Any

import pytest
import torch
from conftest import launch

from jic.runtime import tensor_layout
from jic.runtime.dispatch import Captured, Check, Dispatcher, Group, Output, TensorSpec, Variant
from jic.runtime.native_module import native

MISS = object()
F = "float32"


@pytest.fixture(params=["layout", "no layout"])
def layout(request):
    native.set_tensor_layout(tensor_layout.tensor_layout() if request.param == "layout" else None)
    yield request.param
    native.set_tensor_layout(tensor_layout.tensor_layout())


def reads(make_program, module: Any, **keywords) -> Dispatcher:
    """Answers x + module.w, of the size that w has now."""
    shape = tuple(module.w.shape)
    program = make_program(
        [(F, shape)] * 2,
        [(F, shape)],
        [launch("add", [("input", 0), ("input", 1), ("output", 0)], 2, module.w.numel())],
    )
    f = Dispatcher(lambda args, kwargs: MISS)
    f.add(
        Variant(
            (TensorSpec(torch.float32, shape, torch.empty(shape).stride()),),
            state=[Group("dict", module._parameters, None, (Check("tensor", "w", 0),))],
            captured=[Captured(TensorSpec.of(module.w))],
            program=program,
            inputs=(0, 1),
            result=Output(0),
            **keywords,
        )
    )
    return f


def module_of(tensor: torch.Tensor) -> Any:
    module = torch.nn.Module()
    module.w = torch.nn.Parameter(tensor, requires_grad=False)
    return module


def replaced_object(module):
    module.w = torch.nn.Parameter(torch.randn(4, 6), requires_grad=False)


def replaced_memory(module):
    module.w.data = torch.randn(4, 6)


def replaced_by_swap(module):
    torch.utils.swap_tensors(module.w, torch.nn.Parameter(torch.randn(4, 6), requires_grad=False))


def set_other_storage(module):
    module.w.set_(torch.randn(4, 6))


def grown_storage(module):
    kept = module.w.clone()
    module.w.untyped_storage().resize_(4000)
    module.w.copy_(kept)


def freed_and_new_storage(module):
    module.w.untyped_storage().resize_(0)
    module.w.untyped_storage().resize_(1000)  # more than any of these tensors needs
    module.w.fill_(2.0)


def moved_in_storage(module):
    module.w.data = torch.randn(9, 6)[3:7]


def moved_by_set(module):
    memory = torch.randn(60).untyped_storage()
    module.w.set_(memory, 7, (4, 6), (6, 1))


def written(module):
    module.w.data.uniform_()


def grad_outside_grad_mode(module):
    module.w.requires_grad_()


def shared(module):
    module.w.share_memory_()


def resized_and_back(module):
    module.w.resize_(2, 3).resize_(4, 6).uniform_()


MATCHING = [
    replaced_object, replaced_memory, replaced_by_swap, set_other_storage, grown_storage, freed_and_new_storage,
    moved_in_storage, moved_by_set, written, grad_outside_grad_mode, shared, resized_and_back,
]  # fmt: skip


@pytest.mark.parametrize("edit", MATCHING, ids=lambda e: e.__name__)
@torch.no_grad()
def test_new_memory_is_read(make_program, layout, edit):
    module = module_of(torch.randn(4, 6))
    f = reads(make_program, module)
    for _ in range(3):
        for _ in range(2):
            x = torch.randn(4, 6)
            torch.testing.assert_close(f(x), x + module.w)
        edit(module)
        gc.collect()
        for _ in range(2):
            x = torch.randn(4, 6)
            torch.testing.assert_close(f(x), x + module.w)


def changed(value):
    def edit(module):
        module.w.data = value()

    return edit


class _Sub(torch.nn.Parameter):
    pass


def of_another_class(module):
    module.w.__class__ = _Sub


MISSING = {
    "shape": changed(lambda: torch.randn(6, 4)),
    "fewer": changed(lambda: torch.randn(4, 5)),
    "rank": changed(lambda: torch.randn(4, 6, 1)),
    "high rank": changed(lambda: torch.randn(4, 6, 1, 1, 1, 1, 1)),
    "strides": changed(lambda: torch.randn(6, 4).t()),
    "zero strides": changed(lambda: torch.randn(1, 1).expand(4, 6)),
    "resize_": lambda module: module.w.resize_(6, 4),
    "t_": lambda module: module.w.t_(),
    "set_": lambda module: module.w.set_(module.w.untyped_storage(), 0, (4, 6), (1, 4)),
    "double": changed(lambda: torch.randn(4, 6).double()),
    "int32": changed(lambda: torch.randn(4, 6).view(torch.int32)),
    "complex": changed(lambda: torch.randn(4, 6).cfloat()),
    "meta": lambda module: setattr(module, "w", torch.nn.Parameter(torch.empty(4, 6, device="meta"), False)),
    "sparse": lambda module: setattr(module, "w", torch.nn.Parameter(torch.randn(4, 6).to_sparse(), False)),
    "class": of_another_class,
    "deleted": lambda module: delattr(module, "w"),
    "none": lambda module: setattr(module, "w", None),
    "freed": lambda module: module.w.untyped_storage().resize_(0),
}


@pytest.mark.parametrize("edit", MISSING.values(), ids=MISSING.keys())
@torch.no_grad()
def test_another_tensor_misses(make_program, layout, edit):
    module = module_of(torch.randn(4, 6))
    f = reads(make_program, module)
    x = torch.randn(4, 6)
    for _ in range(2):
        torch.testing.assert_close(f(x), x + module.w)
    edit(module)
    assert f(x) is MISS and f(x) is MISS
    module.w = torch.nn.Parameter(torch.randn(4, 6), requires_grad=False)
    for _ in range(2):
        torch.testing.assert_close(f(x), x + module.w)


def test_requires_grad_counts_in_grad_mode(make_program, layout):
    module = module_of(torch.randn(4, 6))
    f, x = reads(make_program, module), torch.randn(4, 6)
    for _ in range(2):
        torch.testing.assert_close(f(x), x + module.w)
    for _ in range(2):
        module.w.requires_grad_()
        assert f(x) is MISS and f(x) is MISS
        with torch.no_grad():
            torch.testing.assert_close(f(x), x + module.w)
        assert f(x) is MISS
        module.w.requires_grad_(False)
        torch.testing.assert_close(f(x), x + module.w)


@pytest.mark.parametrize("lazy", ["negative", "conjugate"])
@torch.no_grad()
def test_lazy_bits(layout, lazy):
    """The same object, memory, sizes and strides, but other values."""
    plain = torch.randn(4, 6)[:, ::2] if lazy == "negative" else torch.randn(4, 3, dtype=torch.complex64)
    module = module_of(plain)
    f = Dispatcher(lambda args, kwargs: MISS)
    state = [Group("dict", module._parameters, None, (Check("tensor", "w", 0),))]
    f.add(Variant((), state=state, captured=[Captured(TensorSpec.of(module.w))], callable=lambda: 1))
    for _ in range(2):
        assert f() == 1 and f() == 1
        module.w.data = torch._neg_view(plain) if lazy == "negative" else plain.conj()
        assert f() is MISS and f() is MISS
        module.w.data = plain


@pytest.mark.parametrize("rank", range(9))
@torch.no_grad()
def test_ranks(make_program, layout, rank):
    shape = (1, 2, 1, 3, 2, 1, 2, 1)[:rank]
    module = module_of(torch.randn(shape))
    f = reads(make_program, module)
    for _ in range(3):
        x = torch.randn(shape)
        torch.testing.assert_close(f(x), x + module.w)
        torch.testing.assert_close(f(x), x + module.w)
        kept = module.w.data
        if rank:
            module.w.data = torch.randn((*shape[:-1], shape[-1] + 1))
            assert f(x) is MISS
        if rank > 1:
            # The same memory and sizes, other strides.
            order = torch.randn(tuple(reversed(shape))).permute(*reversed(range(rank)))
            module.w.data = order
            assert (f(x) is MISS) == (not order.is_contiguous())
        module.w.data = kept
        torch.testing.assert_close(f(x), x + module.w)


@torch.no_grad()
def test_tensors_without_elements(make_program, layout):
    module = module_of(torch.randn(0, 4))
    f, x = reads(make_program, module), torch.randn(0, 4)
    for _ in range(3):
        assert f(x).shape == (0, 4)
        module.w.data = torch.randn(0, 4)
    module.w.data = torch.randn(1, 4)
    assert f(x) is MISS


@torch.no_grad()
def test_thousands_of_replacements(make_program, layout):
    """Objects, tensors and storages come and go at the same addresses."""
    module = module_of(torch.randn(4, 6))
    f = reads(make_program, module)
    draw = random.Random(1)
    held: list[object] = []
    threshold = gc.get_threshold()
    gc.set_threshold(5, 2, 2)
    try:
        for i in range(6000):
            kind = draw.randrange(8)
            fits = True
            if kind == 0:
                module.w = torch.nn.Parameter(torch.full((4, 6), float(i)), requires_grad=False)
            elif kind == 1:
                module.w.data = torch.full((4, 6), float(i))
            elif kind == 2:
                draw.choice(MATCHING)(module)
                module.w.requires_grad_(False)
            elif kind == 3:
                cycle = [module.w]  # dies when the collector finds it
                cycle.append(cycle)
                module.w = torch.nn.Parameter(torch.full((4, 6), float(i)), requires_grad=False)
            elif kind == 4:
                fits = False
                module.w = torch.nn.Parameter(torch.full((6, 4), float(i)), requires_grad=False)
            elif kind == 5:
                fits = False
                module.w = torch.nn.Parameter(torch.full((4, 6), i, dtype=torch.int32), requires_grad=False)
            elif kind == 6:
                held = [torch.randn(4, 6) for _ in range(draw.randrange(4))]
            x = torch.randn(4, 6)
            if fits:
                torch.testing.assert_close(f(x), x + module.w)
            else:
                assert f(x) is MISS
                module.w = torch.nn.Parameter(torch.full((4, 6), float(i)), requires_grad=False)
    finally:
        gc.set_threshold(*threshold)
    assert len(held) < 4


@torch.no_grad()
def test_strides_of_single_elements_do_not_pile_up(make_program, layout):
    module = module_of(torch.randn(1, 4))
    f, x = reads(make_program, module), torch.randn(1, 4)
    memory = torch.randn(4)
    for i in range(300):
        module.w.data = memory.as_strided((1, 4), (i, 1))
        torch.testing.assert_close(f(x), x + module.w)
        torch.testing.assert_close(f(x), x + module.w)


@torch.no_grad()
def test_the_number_of_layouts_is_bounded(make_program):
    """Many tensors, of which two swap places all the time."""
    module: Any = torch.nn.Module()
    for i in range(50):
        module.register_parameter(f"w{i}", torch.nn.Parameter(torch.randn(4), requires_grad=False))
    f = Dispatcher(lambda args, kwargs: MISS)
    checks = tuple(Check("tensor", f"w{i}", i) for i in range(50))
    captured = [Captured(TensorSpec.of(w)) for w in module.parameters()]
    program = make_program(
        [(F, (4,))] * 2, [(F, (4,))], [launch("add", [("input", 0), ("input", 1), ("output", 0)], 2, 4)]
    )
    f.add(
        Variant(
            (),
            state=[Group("dict", module._parameters, None, checks)],
            captured=captured,
            program=program,
            inputs=(7, 49),
            result=Output(0),
        )
    )
    for _ in range(400):
        module.w7, module.w49 = module.w49, module.w7
        module.w7.data = torch.randn(4)
        torch.testing.assert_close(f(), module.w7 + module.w49)


def test_the_layout_of_this_torch_is_known():
    layout = tensor_layout.tensor_layout()
    assert layout is not None and layout.max_rank >= 4
    t = torch.randn(7, 5)[3:]
    words = (ctypes.c_int64 * (layout.end // 8)).from_address(t._cdata)
    held = list(words)[layout.begin // 8 :]
    assert 15 in held and 4 in held and 5 in held and words[layout.storage // 8] == t.untyped_storage()._cdata


@pytest.mark.parametrize("hidden", ["_cdata", "untyped_storage", "set_"])
def test_another_torch_has_no_layout(monkeypatch, hidden):
    def fail(self):
        raise TypeError(hidden)

    monkeypatch.setattr(torch.Tensor, hidden, property(fail), raising=False)
    assert tensor_layout.tensor_layout() is None


def test_bad_layouts():
    for bad in ((16, 64, 56, 16, 5), (16, 56, 60, 16, 5), (0, 0, 4096, 0, 1)):
        with pytest.raises(ValueError, match="layout"):
            native.set_tensor_layout(bad)
