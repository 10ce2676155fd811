"""A user's passes inside `jic.compile`: where they run, what they may do, and what is said when they fail."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from checking import assert_like
from torch import nn
from torch_mlir import ir

import jic
from jic.api.pipeline import stages
from jic.dialects import build
from jic.errors import ConfigError, PassError, PipelineError, UserPassError
from jic.passes.base import Pass, walk
from jic.passes.registry import lookup, register
from jic.targets.cpu.pipeline import default_pipeline

RAN: list[str] = []
HERE = Path(__file__).name


@register
@dataclass(frozen=True)
class Note(Pass):
    """Remember that it ran, and on what."""

    name = "test-note"
    tag: str = ""
    ops: bool = False

    def apply(self, module: ir.Operation) -> None:
        found = sorted({op.name for op in walk(module) if op.name.startswith("jic.")}) if self.ops else []
        RAN.append(" ".join([self.tag, *found]))


@register
@dataclass(frozen=True)
class Scale(Pass):
    """Multiply what `jic.exp` gives."""

    name = "test-scale"
    by: float = 2.0

    def apply(self, module: ir.Operation) -> None:
        for op in [op for op in walk(module) if op.name == "jic.exp"]:
            with ir.InsertionPoint.after(op), op.location:
                scaled = build.elementwise("mul", op.result, build.splat_like(op.result, self.by))
            op.result.replace_all_uses_except(scaled, scaled.owner.operation)


@register
@dataclass(frozen=True)
class Fail(Pass):
    """Fail in one of several ways."""

    name = "test-fail"
    how: str = "raise"

    def apply(self, module: ir.Operation) -> None:
        if self.how == "raise":
            raise KeyError("where is it")  # this line
        if self.how == "refuse":
            raise PassError("nothing here pleases me", hint="be nicer")
        main = module.regions[0].blocks[0].operations[0]
        block = main.regions[0].blocks[0]
        if self.how == "invalid":
            main.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get([], []))
        if self.how == "remove":
            main.operation.erase()
        if self.how == "type":
            with ir.InsertionPoint(block.operations[len(block.operations) - 1]), ir.Location.unknown():
                halved = build.convert(block.arguments[0], ir.F64Type.get())
            returned = block.operations[len(block.operations) - 1]
            returned.operands[0] = halved
            inputs = [argument.type for argument in block.arguments]
            main.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(inputs, [halved.type]))
        if self.how == "unknown op":
            value = block.operations[0].results[0]
            with ir.InsertionPoint(block.operations[len(block.operations) - 1]), ir.Location.unknown():
                other = ir.Operation.create("tensor.cast", [value.type], [value]).result
            value.replace_all_uses_except(other, other.owner.operation)


def off(**fields: Any) -> jic.JitConfig:
    return jic.JitConfig(enable_caching=False, **fields)


@pytest.fixture(autouse=True)
def nothing_falls_back() -> Iterator[None]:
    RAN.clear()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="jic")
        yield


# ---- places ----


def test_passes_run_at_their_places_in_order() -> None:
    places = ["after-clean-up", "before-simplify", "after-simplify", "before-control-flow", "before-fusion"]
    extra = {place: f"test-note{{tag={place}}},test-note{{tag={place}-again}}" for place in places}
    x = torch.randn(5)
    assert_like(jic.compile(lambda x: torch.exp(x) + 1, config=off(extra_passes=extra))(x), torch.exp(x) + 1)
    order = ["before-simplify", "after-simplify", "before-control-flow", "before-fusion", "after-clean-up"]
    expected = [tag for place in order for tag in (place, f"{place}-again")]
    assert expected == RAN


@pytest.mark.parametrize("optimize", [True, False])
def test_every_stage_is_there_in_every_configuration(optimize: bool) -> None:
    config = off(enable_optimizations=optimize)
    extra = {f"before-{name}": f"test-note{{tag={name}}}" for name in stages(config)}
    x = torch.randn(5)
    run = jic.compile(lambda x: x.softmax(0), config=off(enable_optimizations=optimize, extra_passes=extra))
    assert_like(run(x), x.softmax(0))
    assert list(stages(config)) == RAN


def test_a_pass_sees_the_ir_of_its_stage() -> None:
    extra = {"before-decompose": "test-note{ops}", "before-fusion": "test-note{ops}", "after-fusion": "test-note{ops}"}
    jic.compile(lambda x: x.softmax(0), config=off(extra_passes=extra))(torch.randn(5))
    first, second, third = ({*text.split()} for text in RAN)
    assert first == {"jic.softmax"} and "jic.exp" in second and "jic.fused" not in second and "jic.fused" in third


def test_upstream_passes_are_allowed_and_the_text_may_be_wrapped() -> None:
    extra = {"after-simplify": "builtin.module(func.func(canonicalize), cse , test-scale{by=3})"}
    x = torch.randn(4)
    assert_like(jic.compile(torch.exp, config=off(extra_passes=extra))(x), torch.exp(x) * 3)


def test_a_whole_pipeline() -> None:
    def f(x: torch.Tensor) -> torch.Tensor:
        return torch.exp(x).sin() + 1

    x = torch.randn(6)
    whole = jic.compile(f, config=off(pipeline=default_pipeline()))
    assert_like(whole(x), f(x))
    assert len(jic.explain(whole)(x).kernels) == 1
    apart = jic.compile(f, config=off(pipeline="jic-decompose,test-scale{by=-1},jic-form-kernels"))
    assert_like(apart(x), (-torch.exp(x)).sin() + 1)
    assert len(jic.explain(apart)(x).kernels) > 1


def test_the_default_pipeline_is_its_stages() -> None:
    for optimize in (True, False):
        texts = stages(jic.JitConfig(enable_optimizations=optimize)).values()
        assert default_pipeline(optimize=optimize) == f"builtin.module({','.join(t for t in texts if t)})"


# ---- kinds of calls ----


def test_arguments_of_compile_override_the_configuration() -> None:
    x = torch.randn(3)
    config = off(extra_passes={"before-fusion": "test-scale{by=5}"})
    assert_like(jic.compile(torch.exp, config=config, extra_passes={"before-loops": "test-scale"})(x), 2 * x.exp())

    @jic.compile(config=off(), pipeline="test-scale{by=7},jic-form-kernels")
    def decorated(x: torch.Tensor) -> torch.Tensor:
        return x.exp()

    assert_like(decorated(x), 7 * x.exp())


def test_modules_keep_their_passes_in_copies() -> None:
    import copy
    import pickle

    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.exp()

    net = jic.compile(Net(), config=off(extra_passes={"before-fusion": "test-scale"}))
    x = torch.randn(3)
    for module in (net, copy.deepcopy(net)):
        assert_like(module(x), 2 * x.exp())
    config = pickle.loads(pickle.dumps(net.compiled.config))
    assert config == net.compiled.config and hash(config) == hash(net.compiled.config)


def test_number_inputs() -> None:
    run = jic.compile(lambda x, n: x.exp() * n, config=off(extra_passes={"before-fusion": "test-scale"}))
    x = torch.randn(3)
    for i in range(5):
        assert_like(run(x, 0.5 + i), 2 * x.exp() * (0.5 + i))
    assert len(run.stats()["signatures"]) == 3  # from the third value on an input


def test_control_flow() -> None:
    """What is in a region is rewritten there, also in a loop whose trip count depends on data."""

    def f(x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        for _ in range(int(n)):
            if x.sum() > 0:  # noqa: SIM108
                x = x.exp() - 2
            else:
                x = x + 1
        return x

    def expected(x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        for _ in range(int(n)):
            x = x.exp() / 2 - 2 if x.sum() > 0 else x + 1
        return x

    run = jic.compile(f, config=off(extra_passes={"after-control-flow": "test-scale{by=0.5}"}))
    x = torch.randn(4)
    for steps in (0, 3, 6):
        assert_like(run(x, torch.tensor(steps)), expected(x, torch.tensor(steps)), factor=20)
    assert not any(s["eager"] for s in run.stats()["signatures"])


@pytest.mark.parametrize("loop", [False, True])
def test_gradients(loop: bool) -> None:
    """The forward is what the passes make of it; the gradient is the captured function's."""

    def f(x: torch.Tensor) -> torch.Tensor:
        for _ in range(3 if loop else 1):
            x = torch.exp(-x)
        return x

    run = jic.compile(f, config=off(extra_passes={"before-fusion": "test-note{tag=here}"}))
    x = torch.randn(4, requires_grad=True)
    result = run(x)
    assert_like(result.detach(), f(x).detach())
    weight = torch.randn(4)
    assert_like(torch.autograd.grad(result, x, weight)[0], torch.autograd.grad(f(x), x, weight)[0], factor=10)
    assert len(RAN) == (3 if loop else 1)  # the forward that saves and the backward are programs, too


def test_a_call_in_parts() -> None:
    def f(x: torch.Tensor) -> torch.Tensor:
        x = x.exp()
        for _ in jic.range(2):
            x = torch.as_tensor(x.numpy() + 1)
        return x.exp()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = jic.compile(f, config=off(extra_passes={"before-fusion": "test-scale"}))
        x = torch.randn(3)
        found = run(x)
        failing = jic.compile(f, config=off(extra_passes={"before-fusion": "test-fail"}))
        with pytest.raises(UserPassError):
            failing(x)
    assert_like(found, 2 * (2 * x.exp() + 2).exp(), factor=10)


def test_options_of_torch_compile() -> None:
    torch._dynamo.reset()
    x = torch.randn(3)
    options: dict[str, Any] = {"extra_passes": {"before-fusion": "test-scale"}, "enable_caching": False}
    run = torch.compile(lambda x: x.exp() + 1, backend=jic_backend, options=options)
    assert_like(run(x), 2 * x.exp() + 1)
    torch._dynamo.reset()
    with pytest.raises(Exception, match="no option 'max_fusion_sise'.*\n.*did you mean 'max_fusion_size'"):
        torch.compile(lambda x: x.exp(), backend=jic_backend, options={"max_fusion_sise": 3})(x)
    torch._dynamo.reset()


def jic_backend(graph: Any, inputs: Any, **keywords: Any) -> Any:
    from jic.api.backend import jic_backend as backend

    return backend(graph, inputs, **keywords)


# ---- what is wrong is said when something is compiled ----


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"extra_passes": {"before-fussion": "test-note"}}, "'before-fussion'.*did you mean 'before-fusion'"),
        ({"extra_passes": {"before fusion": "test-note"}}, "did you mean 'before-fusion'"),
        ({"extra_passes": {"whole_loops": "test-note"}}, "'before-whole-loops' or 'after-whole-loops'"),
        ({"extra_passes": {"somewhere": "test-note"}}, "STAGE of simplify, control-flow, .*fusion, clean-up"),
        ({"extra_passes": {"before-fusion": "test-nose"}}, r'before-fusion"\]:1:1: .*did you mean \'test-note\''),
        ({"extra_passes": {"before-fusion": "cse,zzzz"}}, "1:5: .*unknown pass 'zzzz'.*once the module"),
        ({"extra_passes": {"before-fusion": "test-note{tg=1}"}}, "1:11: .*no option 'tg'.*did you mean 'tag'"),
        ({"extra_passes": {"before-fusion": "test-scale{by=two}"}}, "expected a number, got 'two'"),
        ({"pipeline": "jic-cse,jic-form-kernel"}, "pipeline:1:9: .*did you mean 'jic-form-kernels'"),
        ({"pipeline": "builtin.module(jic-cse"}, "unclosed"),
    ],
)
def test_typos(fields: dict[str, Any], said: str) -> None:
    config = jic.JitConfig(**fields)
    for attempt in (
        lambda: jic.compile(torch.exp, config=config),
        lambda: jic.compile(nn.ReLU(), **fields),
        lambda: jic.compile(**fields),
        lambda: jic.explain(torch.exp, config=config),
    ):
        with pytest.raises(PipelineError, match=f"(?s){said}") as caught:
            attempt()
        assert caught.value.code == "JIC005"


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"pipeline": 3}, "pipeline is 3"),
        ({"extra_passes": "test-note"}, "expected a dict"),
        ({"extra_passes": {"before-fusion": 3}}, "expected a dict"),
        ({"pipeline": "jic-cse", "extra_passes": {"before-fusion": "test-note"}}, "pipeline and extra_passes"),
        ({"pipeline": "jic-cse", "max_fusion_size": 3}, "pipeline and max_fusion_size"),
    ],
)
def test_bad_values(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        jic.JitConfig(**fields)


# ---- passes that fail ----


@pytest.mark.parametrize(
    "how, said",
    [
        ("raise", "pass 'test-fail' failed: KeyError: 'where is it'"),
        ("refuse", "pass 'test-fail': nothing here pleases me\n.*be nicer; it is in extra_passes"),
        ("invalid", "pass 'test-fail' left invalid IR"),
        ("type", r"'test-fail' must leave the type of @main as it is, .*f32>, but made it .*-> tensor<4xf64>"),
        ("remove", "'test-fail' must leave the type of @main as it is, .*but removed it"),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_pass_that_fails(how: str, said: str, strict: bool) -> None:
    run = jic.compile(torch.exp, strict=strict, config=off(extra_passes={"before-fusion": f"test-fail{{how={how}}}"}))
    for _ in range(2):  # and the next call does not run eagerly either
        with pytest.raises(UserPassError, match=said) as caught:
            run(torch.randn(4))
    assert caught.value.code == "JIC015" and 'extra_passes["before-fusion"]' in caught.value.hint
    if how == "raise":
        line = next(i for i, text in enumerate(Path(__file__).read_text().split("\n"), 1) if "# this line" in text)
        assert caught.value.location.endswith(f"{HERE}:{line}")


def test_a_pass_that_fails_in_the_backward_only() -> None:
    def f(x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            x = torch.exp(-x)
        return x

    run = jic.compile(f, config=off(extra_passes={"before-fusion": "test-once"}))
    result = run(torch.randn(4, requires_grad=True))
    with pytest.raises(UserPassError, match="test-once"):
        result.sum().backward()


@register
@dataclass(frozen=True)
class Once(Pass):
    """Fail the second time."""

    name = "test-once"

    def apply(self, module: ir.Operation) -> None:
        RAN.append("once")
        if len(RAN) > 1:
            raise ValueError("again")


def test_a_pass_that_fails_with_a_number_as_input() -> None:
    run = jic.compile(lambda x, n: x.exp() * n, config=off(extra_passes={"before-fusion": "test-third"}))
    x = torch.randn(3)
    for i in range(2):
        assert_like(run(x, 0.5 + i), x.exp() * (0.5 + i))
    with pytest.raises(UserPassError, match="test-third"):
        run(x, 2.5)


@register
@dataclass(frozen=True)
class Third(Pass):
    """Fail the third time."""

    name = "test-third"

    def apply(self, module: ir.Operation) -> None:
        RAN.append("third")
        if len(RAN) > 2:
            raise ValueError("again")


@pytest.mark.parametrize(
    "fields, said",
    [
        (
            {"extra_passes": {"after-fusion": "test-fail{how='unknown op'}"}},
            'test-fail in extra_passes\\["after-fusion"',
        ),
        ({"pipeline": "jic-cse"}, "what JitConfig.pipeline leaves cannot be compiled"),
    ],
)
def test_what_cannot_be_lowered(fields: dict[str, Any], said: str) -> None:
    run = jic.compile(lambda x: torch.exp(x), config=off(**fields))
    with pytest.raises(UserPassError, match=said):
        run(torch.randn(4))


def test_what_is_not_the_pass_s_fault_runs_eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Pass, module: ir.Operation) -> None:
        raise AssertionError("a bug of jic's")

    monkeypatch.setattr(lookup("jic-form-kernels"), "apply", broken)
    run = jic.compile(torch.exp, config=off(extra_passes={"before-fusion": "test-note"}))
    x = torch.randn(4)
    with pytest.warns(UserWarning, match="a bug of jic's"):
        assert_like(run(x), x.exp())
