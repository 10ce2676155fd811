"""`jic.compile` on functions and modules: results, signatures, what can be looked at."""

from __future__ import annotations

import copy
import importlib.metadata
from collections import namedtuple
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from checking import assert_like, check
from torch import nn

import jic
from jic.api.backend import jic_backend

FLOATS = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(), (1,), (17,), (3, 5), (64, 512), (2, 3, 1, 7)])
def test_elementwise_chain(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    x, y = (torch.randn(shape).to(dtype) for _ in range(2))
    check(lambda a, b: torch.tanh(a * b) + (a - b).abs() * 0.5, x, y, factor=4)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_softmax(dtype: torch.dtype, dim: int) -> None:
    check(lambda x: F.softmax(x, dim), torch.randn(9, 37).to(dtype))


@pytest.mark.parametrize("shape", [(5, 33), (2, 3, 768), (1, 1), (7, 1)])
def test_layer_norm(shape: tuple[int, ...]) -> None:
    x, w, b = torch.randn(shape), torch.randn(shape[-1]), torch.randn(shape[-1])
    compiled = check(lambda x, w, b: F.layer_norm(x, (shape[-1],), w, b), x, w, b, factor=4)
    if shape[-1] > 1:  # otherwise there is nothing to reduce
        assert len(jic.explain(compiled)(x, w, b).kernels) == 1


@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "var", "argmax", "prod"])
def test_reductions(name: str) -> None:
    x = torch.randn(5, 19, 33)
    for dim in (0, 1, 2):
        check(lambda x, dim=dim: getattr(x, name)(dim), x, factor=8)
        check(lambda x, dim=dim: getattr(x, name)(dim, keepdim=True), x, factor=8)


def test_scalar_arguments_and_promotion() -> None:
    i, f = torch.randint(-9, 9, (7, 5)), torch.randn(7, 5)
    check(lambda i, f, s: (i + s) * f + i / 3 - i**s, i, f, 2)
    check(lambda i, f, s: torch.where(i > 0, f, s), i, f, 1.5)
    check(lambda i: (i // 4, i % 4, i >> 1, ~i, i & 3), i)


def test_structures() -> None:
    Pair = namedtuple("Pair", "a b")

    def f(x: torch.Tensor, options: dict[str, Any]) -> Any:
        y = x * options["scale"]
        return {"y": y, "list": [y + 1, (x, None)], "pair": Pair(y.sum(), 3), "same": x}

    x = torch.randn(4, 3)
    compiled = check(f, x, {"scale": torch.tensor(2.0), "unused": [1, "a", None]})
    result = compiled(x, {"scale": torch.tensor(2.0), "unused": [1, "a", None]})
    assert result["same"] is x


def test_views_of_inputs_alias() -> None:
    compiled = jic.compile(lambda x: (x.t(), x[1:], x + 1))
    x = torch.randn(4, 3)
    transposed, tail, _ = compiled(x)
    x.fill_(5.0)
    assert bool((transposed == 5).all()) and bool((tail == 5).all())


def test_inputs_are_mutated_as_in_eager() -> None:
    def f(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x.add_(y)
        y[1:] = 0
        return x * 2

    a, b = torch.randn(5, 3), torch.randn(5, 3)
    c, d = a.clone(), b.clone()
    expected, found = f(a, b), jic.compile(f)(c, d)
    assert_like((found, c, d), (expected, a, b))


def test_new_signatures_compile_once() -> None:
    compiled = jic.compile(lambda x, n: x * n)
    for _ in range(3):
        for x, n in ((torch.randn(3), 2), (torch.randn(4), 2), (torch.randn(4), 3), (torch.randn(4).double(), 3)):
            assert_like(compiled(x, n), x * n)
    assert compiled.misses == 4 and compiled.hits >= 8


def test_globals_and_closures_are_guarded() -> None:
    scale = torch.tensor(2.0)
    factor = 3

    def f(x: torch.Tensor) -> torch.Tensor:
        return x * scale + factor

    compiled = jic.compile(f)
    x = torch.randn(4)
    assert_like(compiled(x), x * 2 + 3)
    scale = torch.tensor(5.0)
    assert_like(compiled(x), x * 5 + 3)
    factor = 4
    assert_like(compiled(x), x * 5 + 4)
    scale.fill_(1.0)
    assert_like(compiled(x), x + 4)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(33, 64)
        self.norm = nn.LayerNorm(64)
        self.second = nn.Linear(64, 33)
        self.scale = 0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.scale * self.second(F.gelu(self.norm(self.first(x))))


def test_module_sees_its_parameters_change() -> None:
    module = Block().eval()
    compiled = jic.compile(module)
    x = torch.randn(5, 33)
    with torch.no_grad():
        assert_like(compiled(x), module(x), factor=8)
        module.first.weight.mul_(2.0)
        assert_like(compiled(x), module(x), factor=8)
        compiled.load_state_dict(Block().state_dict())
        assert_like(compiled(x), module(x), factor=8)
        module.second = nn.Linear(64, 33)
        assert_like(compiled(x), module(x), factor=8)
        module.scale = 2.0
        assert_like(compiled(x), module(x), factor=8)
    assert compiled.scale == 2.0 and set(compiled.state_dict()) == set(module.state_dict())


def conv_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(16, 24, 3, stride=2, padding=1), nn.ReLU6(), nn.Conv2d(24, 24, 3, groups=24, padding=1),
        nn.BatchNorm2d(24), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10),
    )  # fmt: skip


def test_convolutional_net() -> None:
    net = conv_net().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    compiled = check(net, torch.randn(3, 3, 37, 41), factor=20)
    assert not jic.explain(compiled)(torch.randn(3, 3, 37, 41)).fallbacks


def test_encoder_layer() -> None:
    layer = nn.TransformerEncoderLayer(48, 4, 96, batch_first=True, activation="gelu").eval()
    check(layer, torch.randn(2, 11, 48), factor=20, strict=False)


def test_train_mode_follows_torchs_random_numbers() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5)).train()
    compiled = jic.compile(net)
    x = torch.randn(64, 8)
    with torch.no_grad():
        compiled(x)
        torch.manual_seed(3)
        expected = net(x)
        torch.manual_seed(3)
        assert_like(compiled(x), expected, factor=8)
        net.eval()
        assert_like(compiled(x), net(x), factor=8)


def test_batch_norm_in_train_mode_updates_its_statistics() -> None:
    net = nn.BatchNorm1d(5).train()
    other = copy.deepcopy(net)
    compiled = jic.compile(net)
    x = torch.randn(16, 5)
    with torch.no_grad():
        for _ in range(3):
            assert_like(compiled(x), other(x), factor=8)
    assert_like(dict(net.named_buffers()), dict(other.named_buffers()), factor=8)


def test_decorators_and_methods() -> None:
    @jic.compile
    def plain(x: torch.Tensor) -> torch.Tensor:
        return x + 1

    @jic.compile(config=jic.JitConfig(fusion_strategy="none"), strict=True)
    def configured(x: torch.Tensor) -> torch.Tensor:
        return (x + 1) * 2

    class Model:
        factor = 3

        @jic.compile
        def run(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.factor

    x = torch.randn(4)
    assert_like((plain(x), configured(x), Model().run(x)), (x + 1, (x + 1) * 2, x * 3))
    assert len(jic.explain(configured)(x).kernels) == 2
    assert plain.__name__ == "plain"
    model = Model()
    assert not jic.explain(Model.run)(model, x).eager
    model.factor = 4
    assert_like(model.run(x), x * 4)


@pytest.mark.parametrize("strategy", ["none", "default", "aggressive", "custom"])
def test_strategies_agree(strategy: str) -> None:
    config = jic.JitConfig(fusion_strategy=strategy, max_fusion_size=3, enable_caching=False)
    x, w = torch.randn(9, 20), torch.randn(20, 20)

    def f(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return F.softmax(F.gelu(x @ w + 1) * 2, -1) - x.mean(-1, keepdim=True)

    assert_like(jic.compile(f, config=config)(x, w), f(x, w), factor=8)


def test_without_optimisations() -> None:
    config = jic.JitConfig(enable_optimizations=False, enable_caching=False)
    net = conv_net().eval()
    x = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        assert_like(jic.compile(net, config=config)(x), net(x), factor=20)


def test_stats_and_profiling() -> None:
    compiled = jic.compile(lambda x: x.softmax(-1), config=jic.JitConfig(enable_profiling=True, enable_caching=False))
    for _ in range(4):
        compiled(torch.randn(8, 8))
    stats = compiled.stats()
    (entry,) = stats["signatures"]
    assert set(entry["compile_seconds"]) == {"trace", "import", "passes", "lower", "codegen"}
    assert entry["kernels"][0]["runs"] == 4 and entry["kernels"][0]["mean_us"] > 0
    assert stats["misses"] == 1


def test_ir_stages() -> None:
    compiled = jic.compile(lambda x: torch.exp(x) + 1)
    with pytest.raises(jic.errors.JicError, match="call the compiled function first"):
        compiled.ir()
    compiled(torch.randn(4))
    for stage, text in (
        ("torch", "torch.aten.exp"),
        ("jic", "jic.exp"),
        ("kernels", "jic.fused"),
        ("cpu", "func.func @k0"),
        ("llvm", "define"),
    ):
        assert text in compiled.ir(stage)
    assert "jic.exp" in compiled.graph


def test_script_and_trace() -> None:
    def f(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    x = torch.randn(3)
    traced = jic.trace(f, (x,))
    assert len(traced.entries) == 1
    assert_like(traced(x), x * 2)
    assert_like(jic.script(f)(x), x * 2)
    assert_like(jic.script(Block().eval())(torch.zeros(1, 33)).shape, torch.Size([1, 33]))


def test_dynamo_backend() -> None:
    found: list[jic.CompiledFunction] = []

    def backend(graph_module: torch.fx.GraphModule, example_inputs: list[Any]) -> Any:
        compiled = jic_backend(graph_module, example_inputs)
        assert isinstance(compiled, jic.CompiledFunction)
        found.append(compiled)
        return compiled

    compiled = torch.compile(lambda x: torch.relu(x) * 2, backend=backend)
    x = torch.randn(5)
    with torch.no_grad():
        for _ in range(2):
            assert_like(compiled(x), torch.relu(x) * 2)
    assert [e.eager for f in found for e in f.entries] == [False]


def test_dynamo_finds_the_backend_by_name() -> None:
    names = {e.name for e in importlib.metadata.entry_points(group="torch_dynamo_backends")}
    if "jic" not in names:
        pytest.skip("jic is not installed, only on the path")
    assert "jic" in torch._dynamo.list_backends()


def test_fusion_rules_of_the_user_are_honoured() -> None:
    from jic.passes import rules

    @rules.fusion_rule(name="test-mul-exp", pattern=("mul", "exp"))
    def together(mul: rules.OpView, exp: rules.OpView) -> list[rules.OpView]:
        return [mul, exp]

    try:
        x = torch.randn(8)
        config = jic.JitConfig(fusion_strategy="custom", enable_caching=False)
        compiled = jic.compile(lambda x: torch.exp(x * x) + 1, config=config)
        assert_like(compiled(x), torch.exp(x * x) + 1)
        assert [k.ops[:2] for k in jic.explain(compiled)(x).kernels][0] == ("mul", "exp")
        assert len(jic.explain(compiled)(x).kernels) == 2
    finally:
        rules.unregister("test-mul-exp")
