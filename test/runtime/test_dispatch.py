"""The dispatcher: what matches, what is returned, and that nothing leaks."""

from __future__ import annotations

import collections
import gc
import math
import sys
import threading
import types
import weakref

import pytest
import torch
from conftest import launch

from jic.runtime.dispatch import (
    Call,
    Captured,
    Check,
    Choice,
    Constant,
    Container,
    Dispatcher,
    Group,
    Ignored,
    MappingResult,
    MappingSpec,
    NumberSpec,
    Once,
    Output,
    Same,
    SequenceResult,
    SequenceSpec,
    TensorSpec,
    Value,
    Variant,
    View,
    WholeTensor,
    spec_of,
)
from jic.runtime.native_module import native

MISS = object()
F = "float32"


def missing(args, kwargs):
    return MISS


@pytest.fixture
def increment(make_program):
    """A program that adds 1 to 4x6 floats."""
    t = (F, (4, 6))
    return make_program([t], [t], [launch("increment", [("input", 0), ("output", 0)], 1, 24)])


def dispatcher(*variants: Variant) -> Dispatcher:
    made = Dispatcher(missing)
    for v in variants:
        made.add(v)
    return made


def answers(value, **keywords) -> Variant:
    """A variant without a program."""
    return Variant(callable=lambda *a, **k: value, **keywords)


X = torch.randn(4, 6)
SPEC = TensorSpec.of(X)


def test_add(add3):
    spec = TensorSpec(torch.float32, (8, 8), (8, 1))
    f = dispatcher(Variant((spec,) * 3, program=add3, inputs=(0, 1, 2), result=Output(0)))
    x, y, z = (torch.randn(8, 8) for _ in range(3))
    out = f(x, y, z)
    assert type(out) is torch.Tensor and out.is_contiguous() and not out.requires_grad
    torch.testing.assert_close(out, x + y + z)
    assert (f.hits, f.misses) == (1, 0) and f.variants == [(None, 1)]


@pytest.mark.parametrize(
    "other",
    [
        X.double(),
        X[:3],
        X[None],
        X.t().contiguous().t(),
        torch.nn.Parameter(X.clone()),
        X.clone().requires_grad_(),
        X.to_sparse(),
        X.to("meta"),
        X.numpy(),
        None,
        1.0,
        torch.nn.Buffer(X.clone()).as_subclass(type("Sub", (torch.Tensor,), {})),
        torch.view_as_complex(torch.stack((X, X), -1)),
        torch.complex(X, X).conj().imag,
        torch._neg_view(torch.randn(1, 1)).expand(4, 6),
        X.as_strided((4, 6), (0, 1)),
    ],
    ids=str,
)
def test_other_arguments_miss(increment, other):
    f = dispatcher(Variant((SPEC,), program=increment, inputs=(0,), result=Output(0)))
    assert f(other) is MISS
    torch.testing.assert_close(f(X), X + 1)


def test_a_parameter_matches_without_grad(increment):
    f = dispatcher(Variant((SPEC,), program=increment, inputs=(0,), result=Output(0)))
    with torch.no_grad():
        torch.testing.assert_close(f(torch.nn.Parameter(X.clone())), X + 1)
    torch.testing.assert_close(f(torch.nn.Parameter(X.clone(), requires_grad=False)), X + 1)


def test_grad_modes():
    needs = TensorSpec.of(X.clone().requires_grad_())
    parameter = X.clone().requires_grad_()
    f = dispatcher(answers("off", arguments=(SPEC,)), answers("required", arguments=(needs,), grad="required"))
    assert f(parameter) == "required" and f(X) == "off"
    with torch.no_grad():
        assert f(parameter) == "off"
    with torch.inference_mode():
        assert f(X.clone()) == "off"
    anyhow = dispatcher(answers("any", arguments=(SPEC,), grad="any"))
    assert anyhow(parameter) == "any" and anyhow(X) == "any"


def test_transforms_miss(increment):
    f = dispatcher(Variant((SPEC,), program=increment, inputs=(0,), result=Output(0)))
    seen = []
    torch.vmap(lambda x: (seen.append(f(x)), x)[1])(torch.randn(2, 4, 6))
    torch.func.grad(lambda x: (seen.append(f(x)), x.sum())[1])(X.clone())
    assert seen == [MISS, MISS]


def test_dispatch_modes_miss(increment):
    from torch.utils.flop_counter import FlopCounterMode

    f = dispatcher(Variant((SPEC,), program=increment, inputs=(0,), result=Output(0)))
    with FlopCounterMode(display=False):
        assert f(X) is MISS
    assert f(X) is not MISS


@pytest.mark.parametrize(
    "value, others",
    [
        (1, [True, 1.0, 2, "1", None]),
        (True, [1, False, None]),
        (0.0, [-0.0, 0, False]),
        (float("nan"), [float("inf"), 0.0]),
        ("relu", ["gelu", b"relu", None]),
        (None, [0, False, ()]),
        (torch.float32, [torch.float64, None]),
        (torch.device("cpu"), [torch.device("meta"), "cpu"]),
        (10**30, [10**30 + 1]),
        (slice(1, 2), [slice(1, 3)]),
        (2 + 0j, [complex(2, -0.0), 2.0]),
        (
            (1, [2, {"a": 3}]),
            [(1, [2, {"a": 4}]), (1, [2, {"b": 3}]), (1, (2, {"a": 3})), [1, [2, {"a": 3}]], (1, [2, {}]), (1,)],
        ),
        ({"a": 1, "b": 2}, [{"b": 2, "a": 1}, {"a": 1}, {"a": 1, "b": 2, "c": 3}, collections.OrderedDict(a=1, b=2)]),
        (torch.Size([2, 3]), [(2, 3), torch.Size([2, 4])]),
    ],
    ids=str,
)
def test_values(value, others):
    f = dispatcher(answers("hit", arguments=(spec_of(value),)))
    copy = (
        eval(repr(value), {"nan": float("nan"), "torch": torch, "device": torch.device})
        if "Size" not in repr(value)
        else value
    )
    assert f(value) == "hit" and f(copy) == "hit"
    assert all(f(o) is MISS for o in others)


def test_same_and_ignored():
    module = torch.nn.Linear(1, 1)
    f = dispatcher(answers("hit", arguments=(Same(module), Ignored())))
    assert f(module, 3) == f(module, object()) == "hit"
    assert f(torch.nn.Linear(1, 1), 3) is MISS


def test_keywords(increment):
    f = dispatcher(
        Variant((), {"x": SPEC, "n": Value(3)}, program=increment, inputs=(0,), result=Output(0)),
    )
    torch.testing.assert_close(f(x=X, n=3), X + 1)
    torch.testing.assert_close(f(n=3, x=X), X + 1)
    torch.testing.assert_close(f(**{"".join(["n"]): 3, "x": X}), X + 1)
    for call in (
        lambda: f(X, n=3),
        lambda: f(x=X),
        lambda: f(x=X, n=4),
        lambda: f(x=X, m=3),
        lambda: f(x=X, n=3, m=1),
        lambda: f(X, 3),
    ):
        assert call() is MISS


def test_miss_gets_the_call():
    f = Dispatcher(lambda args, kwargs: (args, kwargs))
    assert f(1, 2, a=3) == ((1, 2), {"a": 3}) and f() == ((), {})
    assert f.misses == 2
    with pytest.raises(TypeError):
        Dispatcher(3)
    boom = Dispatcher(lambda args, kwargs: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        boom()


def test_nested_arguments_and_results(make_program):
    t = (F, (4, 6))
    program = make_program(
        [t, t],
        [t, t],
        [
            launch("add", [("input", 0), ("input", 1), ("output", 0)], 2, 24),
            launch("increment", [("input", 1), ("output", 1)], 1, 24),
        ],
    )
    Point = collections.namedtuple("Point", "x y")
    arguments = (
        SequenceSpec(list, (SPEC, MappingSpec((("k", SPEC), ("n", Value(None)))))),
        SequenceSpec(Point, (SPEC, Value(1))),
    )
    result = SequenceResult(
        tuple,
        (
            MappingResult((("sum", Output(0)), ("again", Output(0)))),
            SequenceResult(list, (WholeTensor(2), Constant("c"), Constant(None))),
            SequenceResult(Point, (Output(1), View(Output(0), (6, 4), (1, 6)))),
            Call(lambda a, b: [a, b], (View(WholeTensor(1), (2,), (6,), 1), Constant(5))),
        ),
    )
    f = dispatcher(Variant(arguments, program=program, inputs=(0, 1), result=result))
    y, z = torch.randn(4, 6), torch.randn(4, 6)
    first, second, third, fourth = f([X, {"k": y, "n": None}], Point(z, 1))
    torch.testing.assert_close(first["sum"], X + y)
    assert first["again"] is first["sum"] and list(first) == ["sum", "again"]
    assert second[0] is z and second[1:] == ["c", None]
    assert type(third) is Point
    torch.testing.assert_close(third.x, y + 1)
    torch.testing.assert_close(third.y, (X + y).t())
    assert third.y.data_ptr() == first["sum"].data_ptr()
    assert torch.equal(fourth[0], y[:2, 1]) and fourth[0].data_ptr() == y[:, 1].data_ptr() and fourth[1] == 5


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.randn(6, 4).t(),
        lambda: torch.randn(4, 1).expand(4, 6),
        lambda: torch.randn(1, 6).expand(4, 6),
        lambda: torch.randn(()).expand(4, 6),
        lambda: torch.randn(8, 12)[::2, ::2],
        lambda: torch.randn(40).as_strided((4, 6), (3, 2)),
        lambda: torch.randn(30)[6:].view(4, 6),
    ],
)
def test_inputs_that_are_not_contiguous(increment, make):
    x = make()
    f = dispatcher(Variant((TensorSpec.of(x),), program=increment, inputs=(0,), result=Output(0)))
    torch.testing.assert_close(f(x), x + 1)
    assert f.hits == 1


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.int16, torch.float16, torch.bfloat16, torch.int32, torch.float64, torch.complex128]
)
@pytest.mark.parametrize("threads", [1, 2])
def test_strided_copies(make_program, dtype, threads):
    torch.set_num_threads(threads)
    name = str(dtype).removeprefix("torch.")
    random = torch.Generator().manual_seed(1)
    for trial in range(40):
        big = trial % 8 == 0
        rank = int(torch.randint(1, 6, (), generator=random))
        shape = [
            int(n)
            for n in torch.randint(0 if trial % 5 == 1 else 1, 60 if big and rank < 4 else 7, (rank,), generator=random)
        ]
        base = torch.randint(0, 100, shape, generator=random).to(dtype)
        x = base.permute(*torch.randperm(rank, generator=random).tolist())
        for d in range(rank):
            choice = int(torch.randint(0, 4, (), generator=random))
            if choice == 0 and x.shape[d] > 2:
                x = x.narrow(d, 1, x.shape[d] - 2)
            elif choice == 1:
                x = x.narrow(d, 0, min(1, x.shape[d])).expand(
                    *[5 if k == d and n else n for k, n in enumerate(x.shape)]
                )
        bytes_ = x.numel() * dtype.itemsize
        copy = {"op": "copy", "from": ["input", 0], "to": ["output", 0], "bytes": bytes_}
        t = (name, tuple(x.shape))
        f = dispatcher(
            Variant((TensorSpec.of(x),), program=make_program([t], [t], [copy]), inputs=(0,), result=Output(0))
        )
        out = f(x)
        assert out is not MISS and torch.equal(out, x), (x.shape, x.stride())


def test_guards(increment):
    settings = {"n": 3, "scale": 1.5}

    def closure():
        factor = [1]
        return lambda: factor

    cell = closure().__closure__[0]

    class Thing:
        mode = "a"

    thing, number, items, stored = Thing(), [0], [1, 2.5], types.SimpleNamespace(size=2)

    def helper(x=(1, 2)):
        return x

    parts = (helper.__code__, helper.__defaults__, helper.__kwdefaults__)
    state = [
        Group(
            "dict",
            settings,
            None,
            (Check("is", "n", settings["n"]), Check("equals", "scale", 1.5), Check("absent", "extra")),
        ),
        Group("cell", cell, None, (Check("is", None, cell.cell_contents),)),
        Group("type", Thing, None, (Check("equals", "mode", "a"), Check("absent", "speed"))),
        Group("object", thing, (Thing, thing.__dict__)),
        Group("sequence", items, 2, (Check("equals", 1, 2.5),)),
        Group("function", helper, parts),
        Group("attribute", stored, None, (Check("equals", "size", 2),)),
        Group("call", lambda: number[0], None, (Check("equals", None, 0),)),
    ]
    f = dispatcher(Variant((SPEC,), state=state, program=increment, inputs=(0,), result=Output(0)))

    def hit():
        return f(X) is not MISS

    assert hit()
    settings["n"] = 4
    assert not hit()
    settings["n"] = 3
    assert hit()
    settings["scale"] = 1.25 + 0.25
    assert hit()
    settings["extra"] = 1
    assert not hit()
    del settings["extra"]
    content = cell.cell_contents
    cell.cell_contents = [1]
    assert not hit()
    cell.cell_contents = content
    assert hit()
    Thing.mode = "b"
    assert not hit()
    Thing.mode = "a"
    assert hit()
    Thing.speed = 1
    assert not hit()
    del Thing.speed
    thing.__class__ = type("Other", (), {})
    assert not hit()
    thing.__class__ = Thing
    items[1] = 2.0
    assert not hit()
    items[:] = [3, 5.0 / 2]
    assert hit()
    items.append(1)
    assert not hit()
    items.pop()
    helper.__defaults__ = (3,)
    assert not hit()
    helper.__defaults__ = parts[1]
    stored.size = 3
    assert not hit()
    stored.size = 2
    number[0] = 1
    assert not hit()
    number[0] = 0
    assert hit()
    del settings["n"]
    assert not hit()


def test_captured_tensors_are_read_anew(make_program):
    t = (F, (4, 6))
    program = make_program([t, t], [t], [launch("add", [("input", 0), ("input", 1), ("output", 0)], 2, 24)])
    module = torch.nn.Module()
    module.w = torch.nn.Parameter(torch.randn(4, 6), requires_grad=False)
    fixed = torch.nn.Parameter(torch.randn(4, 6), requires_grad=False)
    for captured in (Captured(SPEC), Captured(SPEC, tensor=fixed)):
        weight = module.w if captured.tensor is None else fixed
        state = [Group("dict", module._parameters, None, (Check("tensor", "w", 0),))] if captured.tensor is None else []
        f = dispatcher(
            Variant((SPEC,), state=state, captured=[captured], program=program, inputs=(0, 1), result=Output(0))
        )
        torch.testing.assert_close(f(X), X + weight)
        weight.data = torch.randn(4, 6)
        torch.testing.assert_close(f(X), X + weight)
        weight.data.zero_()
        torch.testing.assert_close(f(X), X)
        weight.data = torch.randn(4, 6).double()
        assert f(X) is MISS
        weight.data = torch.randn(4, 6)
    f = dispatcher(
        Variant(
            (SPEC,),
            state=[Group("dict", module._parameters, None, (Check("tensor", "w", 0),))],
            captured=[Captured(SPEC)],
            program=program,
            inputs=(0, 1),
            result=Output(0),
        )
    )
    module.w = torch.nn.Parameter(torch.ones(4, 6), requires_grad=False)
    torch.testing.assert_close(f(X), X + 1)
    module.w = None
    assert f(X) is MISS


def test_copies_into_arguments(make_program):
    t = (F, (4, 6))
    program = make_program([t, t], [t], [launch("add", [("input", 0), ("input", 1), ("output", 0)], 2, 24)])
    f = dispatcher(Variant((SPEC, SPEC), program=program, inputs=(0, 1), copies=[(0, 0)], result=WholeTensor(0)))
    x, y = torch.randn(4, 6), torch.randn(4, 6)
    expected, version = x + y, x._version
    assert f(x, y) is x
    torch.testing.assert_close(x, expected)
    assert x._version == version + 1
    assert f(x, x) is MISS
    memory = torch.randn(40)
    assert f(memory[:24].view(4, 6), memory[16:].view(4, 6)) is MISS
    assert f(memory[:24].view(4, 6), torch.randn(4, 6)) is not MISS


def test_index_error_leaves_no_output_behind(make_program):
    steps = [
        launch("pick", [("input", 0), ("input", 1), ("output", 0), ("workspace", 0)], 2, 3),
        {"op": "check", "buffer": ["workspace", 0], "message": "index out of range"},
    ]
    program = make_program([(F, (4,)), ("int64", (3,))], [(F, (3,))], steps, workspace=8)
    x, good, bad = torch.randn(4), torch.tensor([3, 0, 2]), torch.tensor([0, 9, 1])
    f = dispatcher(Variant((spec_of(x), spec_of(good)), program=program, inputs=(0, 1), result=Output(0)))
    assert torch.equal(f(x, good), x[good])
    live = native.pool_stats()["live_bytes"]
    for _ in range(10):
        with pytest.raises(IndexError, match="out of range"):
            f(x, bad)
    assert native.pool_stats()["live_bytes"] == live
    assert torch.equal(f(x, good), x[good])


def test_order_of_variants():
    f = dispatcher(answers("a", arguments=(Value(1),), tag="a"), answers("b", arguments=(Value(2),), tag="b"))
    assert [t for t, _ in f.variants] == ["b", "a"]
    assert f(1) == "a" and [t for t, _ in f.variants] == ["a", "b"]
    assert f(1) == "a" and f(2) == "b"
    assert f.variants == [("b", 1), ("a", 2)] and f.hits == 3
    f.clear()
    assert f(1) is MISS and f.variants == []


def test_a_callable_may_drop_its_own_variant():
    f = Dispatcher(missing)
    f.add(
        Variant((), callable=lambda: f.clear(), state=[Group("call", lambda: None, None, (Check("is", None, None),))])
    )
    assert f() is None and f.variants == []
    f.add(Variant((), callable=lambda: 1, state=[Group("call", f.clear, None, (Check("is", None, None),))]))
    assert f() == 1


def test_as_a_method_and_with_attributes():
    class Model:
        forward = Dispatcher(lambda args, kwargs: args)

    model = Model()
    assert model.forward(1) == (model, 1)
    f = Dispatcher(missing)
    f.note = "text"
    assert f.note == "text" and weakref.ref(f)() is f


def test_bad_variants(increment):
    f = Dispatcher(missing)
    for bad in (
        Variant((SPEC,), result=Output(0)),
        Variant((SPEC,), program=increment, inputs=(3,), result=Output(0)),
        Variant((SPEC,), program=increment, inputs=(0,), result=Output(1)),
        Variant((SPEC,), program=increment, inputs=(0,), result=WholeTensor(1)),
        Variant((SPEC,), program=increment, inputs=(0,), copies=[(0, 9)]),
        Variant((TensorSpec(torch.float64, (4, 6), (6, 1)),), program=increment, inputs=(0,)),
        Variant((SPEC,), program=increment, inputs=(0, 0)),
        Variant((TensorSpec(torch.float32, (4, 6), (6, -1)),), program=increment, inputs=(0,)),
        Variant((SPEC,), callable=lambda x: x, state=[Group("dict", [], None, (Check("is", 0, 0),))]),
    ):
        with pytest.raises((ValueError, TypeError, IndexError)):
            f.add(bad)
    assert f.variants == []
    for tensor in (X.to_sparse(), torch.complex(X, X).conj(), torch.complex(X, X).conj().imag):
        with pytest.raises(ValueError, match="cannot be dispatched"):
            spec_of(tensor)


def test_results_that_share_and_containers_of_the_call(increment):
    twice = Once(1, SequenceResult(list, (View(Output(0), (6,), (4,), 1),)))
    variant = Variant(
        (MappingSpec((("k", SequenceSpec(list, (SPEC,))),)),),
        program=increment,
        inputs=(0,),
        result=SequenceResult(
            tuple, (Output(0), twice, Container(1), Once(1, Constant(None)), Container(0), Once(0, Call(list, ())))
        ),
        geometry={0: ((6, 4), (1, 6))},
    )
    f = dispatcher(variant)
    call = {"k": [X]}
    counts = sys.getrefcount(call), sys.getrefcount(call["k"])
    for _ in range(3):
        whole, made, inner, again, outer, other = f(call)
        assert whole.shape == (6, 4) and whole.stride() == (1, 6)
        assert torch.equal(whole.t(), X + 1)
        assert made is again and made[0].untyped_storage()._cdata == whole.untyped_storage()._cdata
        assert made[0].stride() == (4,) and made[0].storage_offset() == 1
        assert inner is call["k"] and outer is call and other == [] and other is not made
    del inner, outer
    assert (sys.getrefcount(call), sys.getrefcount(call["k"])) == counts


def test_a_choice_is_made_by_an_output(make_program):
    """The program copies its i64 input, which says which result it is."""
    number = ("int64", ())
    program = make_program([number], [number], [copy_step()])
    items = (Constant("none"), Once(0, Call(list, ())), WholeTensor(0))
    spec = TensorSpec(torch.int64, (), ())
    f = dispatcher(Variant((spec,), program=program, inputs=(0,), result=Choice(0, items)))
    which = torch.tensor(2)
    assert f(torch.tensor(0)) == "none" and f(torch.tensor(1)) == [] and f(which) is which
    for wrong in (3, -1, 1 << 40):
        with pytest.raises(SystemError):
            f(torch.tensor(wrong))


def copy_step():
    return {"op": "copy", "from": ["input", 0], "to": ["output", 0], "bytes": 8}


def test_large_outputs_reuse_memory(make_program):
    n = 3 << 20
    program = make_program([(F, (n,))], [(F, (n,))], [launch("increment", [("input", 0), ("output", 0)], 1, n, 10**6)])
    x = torch.randn(n)
    f = dispatcher(Variant((spec_of(x),), program=program, inputs=(0,), result=Output(0)))
    first = f(x)
    address = first.data_ptr()
    second = f(x)
    assert second.data_ptr() != address and address % 64 == 0
    del first
    third = f(x)
    assert third.data_ptr() == address
    assert torch.equal(second, third) and torch.equal(third, x + 1)
    view = third[5:10]
    del third
    expected = (x + 1)[5:10]
    f(x)
    assert torch.equal(view, expected)
    native.pool_trim()
    assert native.pool_stats()["cached_bytes"] == 0


def test_pool_is_bounded(make_program):
    n = 1 << 18
    program = make_program([(F, (n,))], [(F, (n,))], [launch("increment", [("input", 0), ("output", 0)], 1, n)])
    x = torch.randn(n)
    f = dispatcher(Variant((spec_of(x),), program=program, inputs=(0,), result=Output(0)))
    limit = native.pool_stats()["limit_bytes"]
    native.pool_set_limit(3 << 20)
    try:
        held = [f(x) for _ in range(10)]
        del held
        assert 0 < native.pool_stats()["cached_bytes"] <= 3 << 20
    finally:
        native.pool_set_limit(limit)


def test_outputs_die_in_other_threads(make_program):
    n = 20000
    program = make_program([(F, (n,))], [(F, (n,))], [launch("increment", [("input", 0), ("output", 0)], 1, n, 10**6)])
    x = torch.randn(n)
    f = dispatcher(Variant((spec_of(x),), program=program, inputs=(0,), result=Output(0)))
    live = native.pool_stats()["live_bytes"]
    wrong = []

    def work():
        held = collections.deque(maxlen=3)
        for _ in range(300):
            held.append(f(x))
            if not torch.equal(held[0], x + 1):
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    gc.collect()
    assert not wrong and native.pool_stats()["live_bytes"] - live < 4 * n * 4 * 2


def test_outputs_are_usual_tensors(increment):
    f = dispatcher(Variant((SPEC,), program=increment, inputs=(0,), result=Output(0)))
    out = f(X)
    out.add_(1).requires_grad_().sum().backward()
    assert out.grad is not None and out.numpy(force=True).shape == (4, 6)
    with torch.inference_mode():
        assert torch.equal(f(X), X + 1)


def resident_kib() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_nothing_leaks(add3):
    spec = TensorSpec(torch.float32, (8, 8), (8, 1))
    result = SequenceResult(
        tuple, (Output(0), MappingResult((("x", WholeTensor(0)),)), SequenceResult(list, (Constant("c"),)))
    )
    f = dispatcher(
        Variant(
            (spec, SequenceSpec(list, (spec, spec))), {"k": Value(2.5)}, program=add3, inputs=(0, 1, 2), result=result
        ),
        answers("other", arguments=(Value(3),)),
    )
    x, y, z = (torch.randn(8, 8) for _ in range(3))
    constant = "c"

    def calls(n):
        for _ in range(n):
            f(x, [y, z], k=2.5)
            f(3)
            f(x.t(), [y, z], k=2.5)
            f("nothing")

    calls(2000)
    gc.collect()
    counts = [sys.getrefcount(o) for o in (x, y, z, constant, MISS, None)][:5]
    before = resident_kib()
    calls(100_000)
    assert [sys.getrefcount(o) for o in (x, y, z, constant, MISS)] == counts
    assert resident_kib() - before < 3000


def test_cycles_are_collected(increment):
    class Holder:
        pass

    holder = Holder()
    f = Dispatcher(missing)
    holder.f = f
    f.add(Variant((SPEC, Same(holder)), program=increment, inputs=(0,), result=Output(0), tag=holder))
    assert torch.equal(f(X, holder), X + 1)
    gone = weakref.ref(holder)
    del f, holder
    gc.collect()
    assert gone() is None


def test_subclasses():
    class Quick(Dispatcher):
        def __init__(self):
            super().__init__(self.missed)

        def missed(self, args, kwargs):
            return "missed", args

    class Slow(Quick):
        def __call__(self, *args):
            return "called", super().__call__(*args)

    quick, slow = Quick(), Slow()
    quick.add(answers("hit", arguments=(Value(1),)))
    slow.add(answers("hit", arguments=(Value(1),)))
    assert quick(1) == "hit" and quick(2) == ("missed", (2,))
    assert slow(1) == ("called", "hit") and slow(2) == ("called", ("missed", (2,)))
    have_vectorcall = 1 << 11
    assert Quick.__flags__ & have_vectorcall and not Slow.__flags__ & have_vectorcall
    gone = weakref.ref(quick)
    del quick
    gc.collect()
    assert gone() is None


def test_numbers_match_by_type_and_size(increment):
    class Odd(int):
        pass

    x = torch.randn(4, 6)
    spec = TensorSpec.of(x)
    for kind, limit, matching, others in (
        (int, 100, (0, 7, -100, 100), (101, -101, 1 << 64, -(1 << 200), True, 1.0, Odd(3), None, "3", torch.tensor(3))),
        (int, (1 << 63) - 1, (1 << 62, (1 << 63) - 1), (1 << 63, -(1 << 63))),
        (float, 0, (0.0, -0.0, math.nan, math.inf, 1e-320), (1, True, None, torch.tensor(1.0))),
    ):
        number = NumberSpec(kind, limit)
        result = SequenceResult(tuple, (Output(0), WholeTensor(1)))
        f = dispatcher(Variant((spec, number), program=increment, inputs=(0,), result=result))
        nested = SequenceSpec(list, (MappingSpec((("n", number),)),))
        g = dispatcher(Variant((spec, nested), program=increment, inputs=(0,), result=result))
        for value in matching:
            assert f(x, value)[1] is value and g(x, [{"n": value}])[1] is value
        for value in others:
            assert f(x, value) is MISS and g(x, [{"n": value}]) is MISS


def test_bad_descriptions_of_numbers(increment):
    x = TensorSpec(torch.float32, (4, 6), (6, 1))
    with pytest.raises(ValueError, match="cannot be an input"):
        dispatcher(Variant((x, NumberSpec(bool)), program=increment, inputs=(0,)))
    with pytest.raises(TypeError, match="the program reads"):
        dispatcher(Variant((x, NumberSpec(int)), program=increment, inputs=(1,)))
