"""The steps that jump: loops, branches, counters, bail; on one thread and on several, and how they are interrupted."""

from __future__ import annotations

import signal
import struct
import threading
import time

import pytest
import torch
from conftest import launch, manifest_of

from jic.errors import ArtifactError
from jic.runtime import dispatch as d
from jic.runtime.artifact import Artifact
from jic.runtime.native_module import native
from jic.runtime.program import Bailout, Program

F = "float32"
COUNTER = ["workspace", 0]


@pytest.fixture(params=[1, 2, 5])
def threads(request):
    """Threads, and thresholds such that every launch with tasks is shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    native.set_thresholds(step=1, segment=1, steal=1, release_gil=1)
    yield request.param
    native.set_thresholds()
    torch.set_num_threads(before)


def jump(to):
    return {"op": "jump", "to": to}


def branch(condition, to):
    return {"op": "branch", "condition": list(condition), "to": to}


def set_(slot, value):
    return {"op": "set", "slot": list(slot), "value": value}


def count(slot, limit, to):
    return {"op": "count", "slot": list(slot), "limit": list(limit), "to": to}


def copy(source, target, size):
    return {"op": "copy", "from": list(source), "to": list(target), "bytes": size}


def counted(make_program, n, cost, **fields):
    """x, trips -> x + trips, in a body that is there twice."""
    a, c = ["workspace", 64], ["workspace", 64 + 4 * n]
    steps = [
        copy(("input", 0), a, 4 * n),
        set_(COUNTER, -1),
        count(COUNTER, ("input", 1), 4),
        jump(8),
        launch("increment", [a, c], 1, n, cost, **fields),
        count(COUNTER, ("input", 1), 9),
        copy(c, ("output", 0), 4 * n),
        jump(12),
        jump(11),
        launch("increment", [c, a], 1, n, cost, **fields),
        count(COUNTER, ("input", 1), 4),
        copy(a, ("output", 0), 4 * n),
    ]
    return make_program([(F, (n,)), ("int64", ())], [(F, (n,))], steps, workspace=64 + 8 * n)


@pytest.mark.parametrize("cost", [1, 10**6])
def test_counted_loop(make_program, threads, cost):
    program = counted(make_program, 100, cost, times=10)
    x = torch.randn(100)
    for trips in (-5, 0, 1, 2, 3, 1000):
        expected = x
        for _ in range(max(trips, 0)):
            expected = expected + 1
        assert torch.equal(program.run([x, torch.tensor(trips)])[0], expected)


def test_steps_in_loops_see_each_other(make_program, threads):
    """Shared launches that read each other's elements, small ones between, the counter as an operand."""
    n = 1000
    a, c, limit = ("workspace", 64), ("workspace", 64 + 4 * n), ("constant", 0)
    steps = [
        copy(("input", 0), a, 4 * n),
        set_(COUNTER, 0),
        launch("rotate", [a, c, ("constant", 1)], 1, n, 5000),
        launch("add_counter", [c, COUNTER, a], 2, n, 5000),
        launch("increment", [a, a], 1, 1, 1),
        count(COUNTER, limit, 2),
        copy(a, ("output", 0), 4 * n),
    ]
    program = make_program(
        [(F, (n,))],
        [(F, (n,))],
        steps,
        struct.pack("<qq", 30, n),
        constants=[[0, 8], [8, 8]],
        workspace=64 + 8 * n,
    )
    x = torch.randint(0, 9, (n,)).float()
    expected = x
    for i in range(30):
        expected = expected.roll(-(n // 2)) + 1 + i
        expected[0] += 1
    for timing in (False, True):
        program.set_timing(timing)
        for _ in range(10):
            assert torch.equal(program.run([x])[0], expected)
    rows = program.stats()
    assert [r["runs"] for r in rows] == [10, 10, 300, 300, 300, 300, 10]
    assert all(r["min_us"] <= r["mean_us"] for r in rows)


def test_while_by_a_condition(make_program, threads):
    """while any(x < 10): x += 1, with the condition made by a launch that is shared."""
    n = 300
    x, flag = ("workspace", 64), ("workspace", 0)
    steps = [
        copy(("input", 0), x, 4 * n),
        launch("below", [x, flag], 1, 1, 5000),
        branch(flag, 5),
        launch("increment", [x, x], 1, n, 5000),
        jump(1),
        copy(x, ("output", 0), 4 * n),
    ]
    program = make_program([(F, (n,))], [(F, (n,))], steps, workspace=64 + 4 * n)
    for start in (0.0, 9.0, 20.0):
        value = torch.full((n,), start)
        assert torch.equal(program.run([value])[0], torch.full((n,), max(start, 10.0)))


def test_branch_around_an_aten_call(make_program, threads):
    x = ("workspace", 64)
    neg = {
        "op": "aten", "callee": "aten.neg.default", "arguments": [{"operand": 0}], "keywords": {}, "reason": "test",
        "operands": [{"slot": list(x), "dtype": F, "shape": [10]}], "results": [{"value": 0, "dtype": F, "shape": [10]}],
        "location": "",
    }  # fmt: skip
    steps = [
        copy(("input", 0), x, 40),
        set_(COUNTER, 0),
        branch(("input", 1), 5),
        neg,
        copy(("value", 0), x, 40),
        launch("increment", [x, x], 1, 10, 5000),
        launch("increment", [x, x], 1, 10, 5000),
        count(COUNTER, ("input", 2), 2),
        copy(x, ("output", 0), 40),
    ]
    program = make_program([(F, (10,)), ("bool", ()), ("int64", ())], [(F, (10,))], steps, workspace=104, values=1)
    value = torch.randn(10)
    for flag in (False, True):
        expected = value
        for _ in range(7):
            expected = (-expected if flag else expected) + 1 + 1
        assert torch.equal(program.run([value, torch.tensor(flag), torch.tensor(7)])[0], expected)


def test_check_stops_a_loop(make_program, threads):
    steps = [
        set_(COUNTER, 0),
        launch("pick", [("input", 0), ("input", 1), ("output", 0), ("workspace", 64)], 2, 3),
        {"op": "check", "buffer": ["workspace", 64], "message": "index out of range in pick"},
        count(COUNTER, ("input", 2), 1),
    ]
    program = make_program([(F, (4,)), ("int64", (3,)), ("int64", ())], [(F, (3,))], steps, workspace=128)
    x, forever = torch.randn(4), torch.tensor(2**62)
    with pytest.raises(IndexError, match="in pick"):
        program.run([x, torch.tensor([0, 9, 1]), forever])
    assert torch.equal(program.run([x, torch.tensor([0, 3, 1]), torch.tensor(5)])[0], x[[0, 3, 1]])


def bailing(make_program):
    """x, flag -> x + 1, unless the flag is set."""
    steps = [
        launch("increment", [("input", 0), ("output", 0)], 1, 8),
        {"op": "bail", "buffer": ["input", 1], "message": "too few rows", "location": "model.py:7"},
        launch("increment", [("input", 0), ("output", 0)], 1, 8),
    ]
    return make_program([(F, (8,)), ("bool", ())], [(F, (8,))], steps)


def test_bail(make_program, threads):
    program = bailing(make_program)
    x = torch.randn(8)
    with pytest.raises(Bailout, match="model.py:7: too few rows"):
        program.run([x, torch.tensor(True)])
    assert torch.equal(program.run([x, torch.tensor(False)])[0], x + 1)


def test_bail_in_a_dispatcher(make_program):
    """The call's own arguments go to `bail`; nothing is copied back."""
    seen = []

    def eager(x, *, flag):
        seen.append(x)
        return x * 2

    def dispatcher(bail):
        found = d.Dispatcher(lambda args, kwargs: pytest.fail("a miss"))
        x, flag = torch.randn(8), torch.tensor(True)
        found.add(
            d.Variant(
                arguments=(d.TensorSpec.of(x),),
                keywords={"flag": d.TensorSpec.of(flag)},
                program=bailing(make_program),
                bail=bail,
                inputs=(0, 1),
                result=d.Output(0),
                copies=((0, 0),),
            )
        )
        return found

    call = dispatcher(eager)
    x = torch.arange(8.0)
    assert torch.equal(call(x, flag=torch.tensor(True)), torch.arange(8.0) * 2)
    assert seen[0] is x and torch.equal(x, torch.arange(8.0))
    assert torch.equal(call(x, flag=torch.tensor(False)), torch.arange(8.0) + 1)
    assert torch.equal(x, torch.arange(8.0) + 1) and len(seen) == 1
    with pytest.raises(Bailout, match="too few rows"):
        dispatcher(None)(x, flag=torch.tensor(True))
    with pytest.raises(ValueError, match="cannot be called"):
        dispatcher(3)


def endless(make_program, cost):
    steps = [
        launch("increment", [("input", 0), ("output", 0)], 1, 64, cost),
        launch("increment", [("output", 0), ("workspace", 0)], 1, 64, 1),
        branch(("constant", 0), 4),
        jump(0),
    ]
    return make_program([(F, (64,))], [(F, (64,))], steps, b"\1", constants=[[0, 1]], workspace=256)


@pytest.mark.parametrize("cost", [1, 5000])
def test_ctrl_c_ends_an_endless_loop(make_program, threads, cost):
    program = endless(make_program, cost)
    timer = threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        program.run([torch.zeros(64)])
    assert time.monotonic() - start < 5
    timer.join()


def test_other_python_threads_work_meanwhile(make_program):
    program = counted(make_program, 100, 1)
    done = threading.Event()
    work = lambda: (program.run([torch.zeros(100), torch.tensor(10**7)]), done.set())  # noqa: E731
    worker = threading.Thread(target=work)
    worker.start()
    turns = 0
    while not done.wait(0.001):
        turns += 1
    worker.join()
    assert turns > 10


ATEN = {
    "op": "aten", "callee": "aten.neg.default", "arguments": [{"operand": 0}], "keywords": {}, "reason": "test",
    "operands": [{"slot": ["input", 0], "dtype": F, "shape": [4]}], "results": [{"value": 0, "dtype": F, "shape": [4]}],
    "location": "",
}  # fmt: skip


@pytest.mark.parametrize(
    "steps",
    [
        [copy(("value", 0), ("output", 0), 16)],
        [branch(("constant", 0), 2), ATEN, copy(("value", 0), ("output", 0), 16)],
        [jump(2), ATEN, copy(("value", 0), ("output", 0), 16), jump(1)],
        [jump(-1)],
        [jump(2)],
        [branch(("input", 0), 10**12)],
        [count(COUNTER, ("input", 0), 7)],
        [branch(("input", 5), 0)],
        [branch(("workspace", 128), 0)],
        [set_(("input", 0), 1)],
        [set_(("workspace", 124), 1)],
        [set_(("output", 0), 2**70)],
        [count(("constant", 0), ("input", 0), 0)],
        [count(COUNTER, ("input", 1), 0)],
        [{"op": "jump"}],
        [{"op": "jump", "to": None}],
        [{"op": "bail", "buffer": ["input", 2], "message": ""}],
        [{"op": "bail", "buffer": ["nowhere", 0], "message": ""}],
    ],
)
def test_malformed_steps(code, steps):
    inputs = [(F, (4,)), (F, (1,)), (F, (0,))]
    manifest = manifest_of(inputs, [(F, (4,))], steps, workspace=128, constants=[[0, 8]], values=1)
    with pytest.raises(ArtifactError):
        Program(Artifact(manifest, code, b"12345678"))
