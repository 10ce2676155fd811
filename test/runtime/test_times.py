"""Measuring steps, and the cost of a call."""

from __future__ import annotations

import time

import torch
from conftest import launch

from jic.runtime.dispatch import Dispatcher, Output, TensorSpec, Variant


def test_timing_can_be_switched(make_program):
    n = 200
    t = ("float32", (n,))
    steps = [
        launch("increment", [("input", 0), ("workspace", 0)], 1, n, name="first", location="model.py:1"),
        launch("slow", [("workspace", 0), ("output", 0)], 1, n, 10**7, name="second"),
    ]
    program = make_program([t], [t], steps, workspace=4 * n)
    x = torch.randn(n)
    program.run([x])
    assert [row["runs"] for row in program.stats()] == [0, 0]
    program.set_timing(True)
    for _ in range(3):
        program.run([x])
    first, second = program.stats()
    assert (first["name"], first["location"], first["op"], first["runs"]) == ("first", "model.py:1", "launch", 3)
    assert 0 <= first["min_us"] <= first["mean_us"] and second["min_us"] > 10 * first["min_us"]
    program.set_timing(False)
    program.run([x])
    assert program.stats()[0]["runs"] == 3
    program.reset_times()
    assert [row["runs"] for row in program.stats()] == [0, 0]


def _least(function, rounds: int = 2000) -> float:
    start = time.perf_counter()
    for _ in range(rounds):
        function()
    return (time.perf_counter() - start) / rounds


def test_a_call_costs_no_more_than_one_eager_op(add3):
    spec = TensorSpec(torch.float32, (8, 8), (8, 1))
    f = Dispatcher(lambda args, kwargs: None)
    f.add(Variant((spec,) * 3, program=add3, inputs=(0, 1, 2), result=Output(0)))
    x, y, z = (torch.randn(8, 8) for _ in range(3))
    # Interleaved, and the least of many: the machine may be busy.
    pairs = [(_least(lambda: f(x, y, z)), _least(lambda: torch.add(x, y))) for _ in range(15)]
    assert min(p[0] for p in pairs) < min(p[1] for p in pairs)
