"""Programs: steps, threads, checks, aten calls, memory."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import struct
import threading

import pytest
import torch
from conftest import launch, manifest_of

from jic.errors import ArtifactError
from jic.runtime.artifact import Artifact
from jic.runtime.native_module import native
from jic.runtime.program import Program

F = "float32"


@pytest.fixture
def eager_threads():
    """Every step with more than one task is shared, in pieces that threads may take from each other."""
    native.set_thresholds(step=1, segment=1, steal=1, release_gil=1)
    before = torch.get_num_threads()
    yield
    native.set_thresholds()
    torch.set_num_threads(before)


def test_add(add3):
    x, y, z = (torch.randn(8, 8) for _ in range(3))
    torch.testing.assert_close(add3.run([x, y, z])[0], x + y + z)


def test_external_functions_and_data(make_program):
    program = make_program([(F, (9,))], [(F, (9,))], [launch("exponential", [("input", 0), ("output", 0)], 1, 9)])
    x = torch.linspace(-1, 1, 9)
    expected = x.exp() * torch.tensor([1.0, 2.0, 4.0, 8.0]).repeat(3)[:9] + 1
    torch.testing.assert_close(program.run([x])[0], expected)


def test_writable_data_belongs_to_the_program(make_program):
    first, second = (make_program([], [("int64", ())], [launch("count", [("output", 0)], 0, 1)]) for _ in range(2))
    assert [int(first.run([])[0]) for _ in range(3)] == [1, 2, 3]
    assert int(second.run([])[0]) == 1


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("n", [2, 3, 1000, 4096])
def test_steps_see_each_other(make_program, eager_threads, threads, n):
    torch.set_num_threads(threads)
    constant = struct.pack("<q", n)
    steps, source = [], ("input", 0)
    for k in range(41):
        target = ("output", 0) if k == 40 else ("workspace", (k % 2) * 4 * n)
        if k % 5 == 3:
            steps.append({"op": "copy", "from": source, "to": target, "bytes": 4 * n})
        else:
            steps.append(launch("rotate", [source, target, ("constant", 0)], 1, n, cost=5000))
        source = target
    program = make_program([(F, (n,))], [(F, (n,))], steps, constant, constants=[[0, 8]], workspace=8 * n)
    x = torch.arange(n, dtype=torch.float32)
    expected = x
    for k in range(41):
        expected = expected if k % 5 == 3 else expected.roll(-(n // 2)) + 1
    for timing in (False, True):
        program.set_timing(timing)
        for _ in range(20):
            torch.testing.assert_close(program.run([x])[0], expected, rtol=0, atol=0)
    assert all(row["runs"] == 20 and row["min_us"] <= row["mean_us"] for row in program.stats())


def test_threads_follow_torch(make_program, eager_threads):
    torch.set_num_threads(1)
    assert native.max_threads() == 1
    torch.set_num_threads(2)
    assert native.max_threads() == 2


def test_scratch_is_a_threads_own(make_program, eager_threads):
    n = 5000
    program = make_program(
        [(F, (n,))],
        [(F, (n,))],
        [launch("with_scratch", [("input", 0), ("output", 0)], 1, n, cost=10**6)],
        scratch=1024,
    )
    x = torch.randn(n)
    for threads in (1, 4, 2):
        torch.set_num_threads(threads)
        for _ in range(5):
            assert torch.equal(program.run([x])[0], x)


def test_two_python_threads(make_program, eager_threads):
    n = 3000
    steps = [
        launch("increment", [("input", 0), ("workspace", 0)], 1, n, 10000),
        launch("increment", [("workspace", 0), ("output", 0)], 1, n, 10000),
    ]
    program = make_program([(F, (n,))], [(F, (n,))], steps, workspace=4 * n)
    wrong = []

    def work(seed: int) -> None:
        x = torch.full((n,), float(seed))
        for _ in range(200):
            if not torch.equal(program.run([x])[0], x + 2):
                wrong.append(seed)

    workers = [threading.Thread(target=work, args=(s,)) for s in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


def test_long_work_releases_the_gil(make_program):
    program = make_program(
        [(F, (2000,))], [(F, (2000,))], [launch("slow", [("input", 0), ("output", 0)], 1, 2000, 10**8)]
    )
    done = threading.Event()
    worker = threading.Thread(target=lambda: (program.run([torch.ones(2000)]), done.set()))
    worker.start()
    turns = 0
    while not done.wait(0.001):
        turns += 1
    worker.join()
    assert turns > 3


def _run_in_child(program, x, right):
    torch.set_num_threads(2)
    right.value = all(torch.equal(program.run([x])[0], torch.ones(100)) for _ in range(10))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_in_a_forked_child(make_program, eager_threads):
    torch.set_num_threads(2)
    program = make_program(
        [(F, (100,))], [(F, (100,))], [launch("increment", [("input", 0), ("output", 0)], 1, 100, 10**6)]
    )
    program.run([torch.zeros(100)])
    context = multiprocessing.get_context("fork")
    right = context.Value("b", 0)
    child = context.Process(target=_run_in_child, args=(program, torch.zeros(100), right))
    child.start()
    child.join(60)
    assert child.exitcode == 0 and right.value


def test_inside_another_parallel_region(compile_c, make_program, eager_threads):
    """A kernel runs another program, on all threads at once: that one must not ask for threads again."""
    torch.set_num_threads(2)
    increment = launch("increment", [("input", 0), ("output", 0)], 1, 100, 10**6)
    inner = make_program([(F, (100,))], [(F, (100,))], [increment])
    seen = []

    @ctypes.CFUNCTYPE(None)
    def probe():
        seen.append((native.max_threads(), torch.equal(inner.run([torch.zeros(100)])[0], torch.ones(100))))

    text = """
    #include <stdint.h>
    extern void probe(void);
    void k(void **b, int64_t begin, int64_t end, void *scratch) { probe(); }
    """
    artifact = Artifact(manifest_of([], [], [launch("k", [], 0, 2, 1000)]), compile_c(text), b"")
    address = ctypes.cast(probe, ctypes.c_void_p).value
    assert address
    Program(artifact, {"probe": address}).run([])
    assert seen == [(1, True), (1, True)]


def test_nothing_to_do(make_program):
    empty = make_program([(F, (0, 4))], [(F, (0, 4))], [launch("increment", [("input", 0), ("output", 0)], 1, 0)])
    assert empty.run([torch.empty(0, 4)])[0].shape == (0, 4)
    assert make_program([], [], []).run([]) == []


def test_index_out_of_range(make_program):
    steps = [
        launch("increment", [("input", 0), ("workspace", 0)], 1, 2),  # leaves other values where the status will be
        launch("pick", [("input", 0), ("input", 1), ("output", 0), ("workspace", 0)], 2, 3),
        {"op": "check", "buffer": ["workspace", 0], "message": "index out of range in pick"},
    ]
    program = make_program([(F, (4,)), ("int64", (3,))], [(F, (3,))], steps, workspace=8)
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    good, bad = torch.tensor([3, 0, 2]), torch.tensor([0, 9, -1])
    for _ in range(3):
        assert torch.equal(program.run([x, good])[0], x[good])
        with pytest.raises(IndexError, match="index out of range in pick"):
            program.run([x, bad])


def aten(callee, arguments, operands, results, keywords=None):
    return {
        "op": "aten",
        "callee": callee,
        "arguments": arguments,
        "keywords": keywords or {},
        "operands": [{"slot": list(s), "dtype": d, "shape": list(n)} for s, d, n in operands],
        "results": [{"value": v, "dtype": d, "shape": list(n)} for v, d, n in results],
        "location": "model.py:3",
        "reason": "test",
    }


def test_aten_step(make_program):
    steps = [
        launch("increment", [("input", 0), ("workspace", 0)], 1, 6),
        aten(
            "aten.sort.default",
            [{"operand": 0}, -1, True],
            [(("workspace", 0), F, (2, 3))],
            [(0, F, (2, 3)), (1, "int64", (2, 3))],
        ),
        aten("aten.to.dtype", [{"operand": 0}, {"dtype": F}], [(("value", 1), "int64", (2, 3))], [(2, F, (2, 3))]),
        launch("add", [("value", 0), ("value", 2), ("output", 0)], 2, 6),
    ]
    program = make_program([(F, (2, 3))], [(F, (2, 3))], steps, workspace=24, values=3)
    for _ in range(3):
        x = torch.randn(2, 3)
        values, indices = (x + 1).sort(-1, descending=True)
        torch.testing.assert_close(program.run([x])[0], values + indices)


def test_aten_views_do_not_change_with_their_buffer(make_program):
    steps = [
        launch("increment", [("input", 0), ("workspace", 0)], 1, 6),
        aten("aten.t.default", [{"operand": 0}], [(("workspace", 0), F, (2, 3))], [(0, F, (3, 2))]),
        aten("aten.view.default", [{"operand": 0}, [6]], [(("workspace", 0), F, (2, 3))], [(1, F, (6,))]),
        launch("increment", [("workspace", 0), ("workspace", 0)], 1, 6),
        launch("add", [("value", 0), ("value", 1), ("output", 0)], 2, 6),
    ]
    program = make_program([(F, (2, 3))], [(F, (6,))], steps, workspace=24, values=2)
    x = torch.randn(2, 3)
    torch.testing.assert_close(program.run([x])[0], (x + 1).t().reshape(6) + (x + 1).reshape(6))


def test_aten_errors_come_through(make_program):
    step = aten("aten.cholesky.default", [{"operand": 0}], [(("input", 0), F, (2, 2))], [(0, F, (2, 2))])
    program = make_program([(F, (2, 2))], [], [step], values=1)
    with pytest.raises(RuntimeError, match="positive-definite"):
        program.run([-torch.eye(2)])
    program.run([torch.eye(2)])


def test_aten_keywords_and_special_values(make_program):
    step = aten(
        "aten.full.default",
        [[2], {"float": "-inf"}],
        [],
        [(0, F, (2,))],
        {"dtype": {"dtype": F}, "layout": {"layout": "strided"}, "device": {"device": "cpu"}, "pin_memory": None},
    )
    copy = {"op": "copy", "from": ["value", 0], "to": ["output", 0], "bytes": 8}
    program = make_program([], [(F, (2,))], [step, copy], values=1)
    assert program.run([])[0].tolist() == [-float("inf")] * 2


def test_run_checks_its_tensors(add3):
    x = torch.randn(8, 8)
    for bad in (x.t(), x.double(), x[:4]):
        with pytest.raises(TypeError, match="input 2"):
            add3.run([x, x, bad])
    with pytest.raises(TypeError, match="2 inputs, expected 3"):
        add3.run([x, x])


@pytest.mark.parametrize(
    "change",
    [
        {"steps": [launch("missing", [], 0, 1)]},
        {"steps": [launch("add", [("input", 7)], 0, 1)]},
        {"steps": [launch("add", [("workspace", 99)], 0, 1)]},
        {"steps": [launch("add", [("constant", 0)], 0, 1)]},
        {"steps": [launch("add", [("nowhere", 0)], 0, 1)]},
        {"steps": [{"op": "dance"}]},
        {"steps": [{"op": "check", "buffer": ["workspace", 0], "message": ""}]},
        {
            "steps": [
                {
                    "op": "aten",
                    "callee": "aten.none.default",
                    "operands": [],
                    "results": [],
                    "arguments": [],
                    "keywords": {},
                }
            ]
        },
        {"constants": [[0, 10]]},
        {"constants": [[-1, 1]]},
        {"workspace": -5},
        {"inputs": [{"dtype": "float3", "shape": []}]},
        {"target": "cuda"},
        {"features": "future +avx2,+avx512f,+amx-tile,+amx-int8,+amx-bf16,+xop,+tbm,+fma4"},
    ],
)
def test_malformed_manifest(code, change):
    manifest = {**manifest_of([(F, (4,))], [(F, (4,))], []), **change}
    with pytest.raises(ArtifactError):
        Program(Artifact(manifest, code, b""))


def test_few_tasks_and_many_threads(make_program, eager_threads):
    torch.set_num_threads(7)
    program = make_program(
        [(F, (3,))], [(F, (3,))], [launch("increment", [("input", 0), ("output", 0)], 1, 3, 10**6) for _ in range(5)]
    )
    for _ in range(20):
        assert torch.equal(program.run([torch.zeros(3)])[0], torch.ones(3))


def _resident_kib() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="/proc")
def test_runs_and_programs_do_not_leak(make_program):
    n = 10_000
    steps = [
        aten("aten.neg.default", [{"operand": 0}], [(("input", 0), F, (n,))], [(0, F, (n,))]),
        launch("increment", [("value", 0), ("workspace", 0)], 1, n),
        launch("pick", [("workspace", 0), ("input", 1), ("output", 0), ("workspace", 4 * n)], 2, 1),
        {"op": "check", "buffer": ["workspace", 4 * n], "message": "out of range"},
    ]
    x, out_of_range = torch.randn(n), torch.tensor([9])

    def work(rounds: int) -> None:
        program = make_program([(F, (n,)), ("int64", (1,))], [(F, (1,))], steps, workspace=4 * n + 64, values=1)
        for _ in range(rounds):
            with pytest.raises(IndexError):
                program.run([x, out_of_range])

    for _ in range(5):
        work(20)
    before = _resident_kib()
    for _ in range(200):
        work(20)
    assert _resident_kib() - before < 3000
