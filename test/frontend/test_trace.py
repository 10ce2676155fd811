"""Capture: inputs, outputs, guards, fingerprints, and the errors of what cannot be captured."""

from __future__ import annotations

import functools
import inspect
import subprocess
import sys

import pytest
import torch
from support.frontend import check
from torch import nn

import jic.dialects
from jic.errors import CaptureError
from jic.frontend import trace
from jic.frontend.importer import import_graph, import_torch
from jic.frontend.trace import FunctionRaised

SCALE = 2.0
WEIGHT = torch.randn(4)
ONE = torch.tensor(1.0)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("shift", torch.ones(4))
        self.slope = 0.5

    def forward(self, x: torch.Tensor, flag: bool = True) -> torch.Tensor:
        y = self.linear(x) + self.shift
        return y * self.slope if flag else y


def test_inputs_are_arguments_then_captured_tensors_once():
    net = Net()
    traced, module = check(lambda x: net(x) + net.linear.weight.sum(), torch.randn(3, 4))
    assert [(s.kind, s.name) for s in traced.inputs] == [
        ("argument", "args[0]"),
        ("captured", "net.shift"),
        ("captured", "net.linear.weight"),
        ("captured", "net.linear.bias"),
    ]
    assert traced.inputs[2].tensor is net.linear.weight
    assert traced.inputs[2].guard.container is net.linear._parameters and traced.inputs[2].key == "weight"
    assert "net.linear.weight" in str(module)


def test_globals_and_closures_are_captured_with_their_home():
    local = torch.randn(4)
    traced, _ = check(lambda x: x * WEIGHT + local, torch.randn(3, 4))
    by_name = {s.name: s for s in traced.inputs}
    assert by_name["WEIGHT"].guard.container is globals() and by_name["WEIGHT"].key == "WEIGHT"
    assert by_name["local"].key is None and by_name["local"].guard.container.cell_contents is local


def test_a_tensor_in_a_list_is_fetched_from_there():
    tensors = [torch.randn(4)]
    traced, _ = check(lambda x: x + tensors[0], torch.randn(4))
    tensors[0] = torch.ones(4)
    assert traced.inputs[1].fetch([]) is tensors[0]


def test_two_closures_of_one_function_are_both_searched():
    def make(w: torch.Tensor):
        return lambda x: x * w

    first, second = make(torch.randn(4)), make(torch.randn(4))
    traced, _ = check(lambda x: first(second(x)), torch.randn(4))
    assert not traced.reasons and len(traced.inputs) == 3


def test_one_tensor_passed_twice_is_two_inputs():
    x = torch.randn(3)
    traced, _ = check(lambda a, b: a - 2 * b, x, x)
    assert [s.index for s in traced.inputs] == [0, 1]


def test_unused_arguments_are_no_inputs():
    traced, _ = check(lambda x, y: x + 1, torch.randn(2), torch.randn(3))
    assert [s.index for s in traced.inputs] == [0]


@pytest.mark.parametrize("fn", [Net(), Net().forward, functools.partial(Net(), flag=False), Net().__call__])
def test_callables(fn):
    check(fn, torch.randn(3, 4))


def test_pytrees_and_scalars():
    def fn(d, n, *, scale=1.0, mode=None):
        return {"a": d["x"] * n, "b": [d["y"][0] * scale, mode, n]}

    traced, _ = check(fn, {"x": torch.randn(2), "y": (torch.randn(3),)}, 3, scale=0.5, mode="m")
    assert [s.name for s in traced.inputs] == ["args[0]['x']", "args[0]['y'][0]"]


def test_outputs_that_are_inputs_views_and_constants():
    def fn(x):
        return x, x[1:], x.t(), 3, None, x + 1, WEIGHT, WEIGHT[1:]

    traced, _ = check(fn, torch.randn(3, 4))
    kinds = [o.kind for o in traced.outputs]
    assert kinds == ["input", "view", "view", "constant", "constant", "result", "input", "view"]
    assert traced.outputs[1].offset == 4 and traced.outputs[2].stride == (1, 4)


def test_result_strides_are_eagers():
    traced, _ = check(lambda x: x.t() + 1, torch.randn(3, 4))
    assert traced.geometry == {0: ((4, 3), (1, 4))}


def test_constants_made_in_the_function_are_part_of_the_graph():
    traced, module = check(lambda x: x + torch.tensor([1.0, 2.0]), torch.randn(2))
    assert len(traced.inputs) == 1 and "dense<[1.000000e+00, 2.000000e+00]>" in str(module)


def changed(guards):
    return [key for guard in guards for key in guard.changed()]


def test_guards_hold_until_what_the_trace_read_changes():
    net = Net()
    guards = trace(net, (torch.randn(3, 4),)).guards
    assert not changed(guards)
    net.slope = 0.25
    assert changed(guards) == ["slope"]
    net.slope = 1.0 / 2
    assert not changed(guards)
    net.eval()  # Net itself does not read it
    assert changed(guards) == ["training"]


def test_guards_on_globals_and_replaced_modules():
    net = Net()
    guards = trace(lambda x: net(x) * SCALE, (torch.randn(3, 4),)).guards
    globals()["SCALE"] = 3.0
    assert changed(guards) == ["SCALE"]
    globals()["SCALE"] = 2.0
    net.linear = nn.Linear(4, 4)
    assert changed(guards) == ["linear"]


def test_fingerprint():
    def one(x):
        return torch.relu(x) + 1

    def same(y):
        z = torch.relu(y)
        return z + 1

    x = torch.randn(3, 4)
    key = trace(one, (x,)).fingerprint
    assert key == trace(same, (torch.zeros(3, 4),)).fingerprint
    for other in (
        trace(one, (torch.randn(4, 3),)),
        trace(one, (x.double(),)),
        trace(one, (torch.randn(4, 3).t(),)),
        trace(lambda x: torch.relu(x) + 2, (x,)),
        trace(lambda x: torch.relu(x) + 1.0, (x,)),
        trace(lambda x: (torch.relu(x) + 1, x), (x,)),
    ):
        assert key != other.fingerprint
    assert trace(Net(), (x,)).fingerprint == trace(Net(), (x,)).fingerprint
    literal = trace(lambda x: x + torch.tensor([1.0, 2.0, 3.0, 4.0]), (x,)).fingerprint
    assert literal != trace(lambda x: x + torch.tensor([1.0, 2.0, 3.0, 5.0]), (x,)).fingerprint


def _line(fn, offset):
    return f"{__file__}:{inspect.getsourcelines(fn)[1] + offset}"


def test_data_dependent_control_flow():
    def fn(x):
        if x.sum() > 0:
            return x
        return -x

    def item(x):
        return x * x.max().item()

    def cut(x):
        return x[: int(x.max())]

    def targets(graph):
        return {str(n.target) for n in graph.graph_module.graph.nodes}

    assert {"jic.if_begin.default", "jic.if_end.default"} <= targets(trace(fn, (torch.randn(3),)))
    assert "aten.mul.Tensor" in targets(trace(item, (torch.randn(3),)))
    with pytest.raises(CaptureError, match="only known at run time") as error:
        trace(cut, (torch.ones(3),))
    assert error.value.location == _line(cut, 1) and error.value.hint
    # not baked in, though its value is known while tracing
    assert len(trace(lambda x: x * ONE.item(), (torch.randn(3),)).inputs) == 2
    with pytest.raises(CaptureError, match="shape depends on data|graph cannot"):
        trace(lambda x: x[x > 0], (torch.randn(3),))


def test_shape_errors_are_the_functions_own():
    def fn(x, y):
        return x + y

    with pytest.raises(FunctionRaised, match="RuntimeError") as error:
        trace(fn, (torch.randn(3), torch.randn(4)))
    assert error.value.location == _line(fn, 1)
    assert isinstance(error.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    "argument", [torch.randn(2, dtype=torch.complex64), torch.eye(2).to_sparse(), object(), {"x": object()}]
)
def test_refused_arguments(argument):
    with pytest.raises(CaptureError):
        trace(lambda x: x, (argument,))


def test_complex_intermediates_are_refused():
    with pytest.raises(CaptureError, match="complex64"):
        trace(lambda x: torch.view_as_complex(x).abs(), (torch.randn(3, 2),))


def test_a_module_that_stores_tensors_is_left_as_it_was():
    class Stores(nn.Module):
        def forward(self, x):
            self.last = x + 1
            return self.last

    module = Stores()
    traced = trace(module, (torch.randn(2),))
    assert traced.effects is not None and not hasattr(module, "last")
    assert traced.effects((1, torch.ones(2))) == 1 and torch.equal(module.last, torch.ones(2))


def test_locations_are_the_users_lines():
    def fn(x):
        y = nn.functional.linear(x, WEIGHT[None])
        return torch.relu(y)

    traced = trace(fn, (torch.randn(2, 4),))
    lines = {n.meta.get("location") for n in traced.graph_module.graph.nodes if n.op == "call_function"}
    assert lines == {_line(fn, 1), _line(fn, 2)}
    text = import_graph(traced, jic.dialects.context()).operation.get_asm(enable_debug_info=True)
    assert f'"{__file__}":{inspect.getsourcelines(fn)[1] + 2}:0' in text


def test_torch_dialect_text():
    module = import_torch(trace(lambda x: torch.relu(x + 1), (torch.randn(2),)), jic.dialects.context())
    assert "torch.aten.relu" in str(module)


def test_tracing_loads_no_mlir():
    code = (
        "import sys, torch; from jic.frontend import trace; trace(torch.relu, (torch.ones(2),)); "
        "sys.exit('torch_mlir' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
