"""Hooks, patched methods, modes, and attributes that torch's own modules read."""

from __future__ import annotations

import pytest
import torch
from support.twins import Check, Quiet
from torch.nn.modules import module as torch_module

SEQUENTIAL = """
    import torch
    from torch import nn
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    def f(x):
        return net(x) + 1
    """


TWO_LAYERS = """
    import torch
    from torch import nn
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.scale = nn.Linear(4, 4), nn.Linear(4, 4), 2.0
        def forward(self, x):
            x = self.first(x).relu()
            if hasattr(self, "extra"):
                x = self.extra(x)
            return self.second(x) * self.scale
    net = Net().eval()
    """


@pytest.mark.parametrize(("where", "target"), [("net", "net"), ("net", "f"), ("net[0]", "net"), ("net[1]", "f")])
@pytest.mark.parametrize(
    ("add", "arguments"),
    [
        ("register_forward_hook", "lambda m, a, out: out * 2"),
        ("register_forward_hook", "lambda m, a, out: None"),
        ("register_forward_hook", "lambda m, a, k, out: out * 3, with_kwargs=True"),
        ("register_forward_hook", "lambda m, a, out: out - 1, always_call=True"),
        ("register_forward_pre_hook", "lambda m, a: (a[0] * 2,)"),
        ("register_forward_pre_hook", "lambda m, a, k: ((a[0] + 2,), k), with_kwargs=True"),
    ],
)
def test_hooks(check: Check, where: str, add: str, arguments: str, target: str) -> None:
    check(
        SEQUENTIAL,
        f"handle = {where}.{add}({arguments})",
        f"second = {where}.{add}({arguments}, prepend=True)\nhandle.remove()",
        "second.remove()",
        target=target,
    )


def test_hook_reads_what_changes(check: Check) -> None:
    check(
        SEQUENTIAL + "FACTOR = 2.0\n",
        "net[0].register_forward_hook(lambda m, a, out: out * FACTOR)",
        "FACTOR = 5.0",
        "net[0].factor = 2.0",
        "def hook(m, a, out): return out * m.factor\nnet[0].register_forward_hook(hook)",
        "net[0].factor = 3.0",
        target="net",
    )


def test_hook_from_the_start(check: Check) -> None:
    check(
        SEQUENTIAL + "handle = net[1].register_forward_hook(lambda m, a, out: out * 2)\n",
        "handle.remove()",
        "net[1]._forward_hooks[7] = lambda m, a, out: out * 3",
        target="net",
    )


def test_global_module_hooks(check: Check) -> None:
    handles = []

    def hook(module: torch.nn.Module, args: object, out: torch.Tensor) -> torch.Tensor:
        return out * 2

    def pre_hook(module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (args[0] + 1,)

    def removed() -> None:
        handles.pop().remove()

    try:
        check(
            SEQUENTIAL,
            lambda: handles.append(torch_module.register_module_forward_hook(hook)),
            removed,
            lambda: handles.append(torch_module.register_module_forward_pre_hook(pre_hook)),
            removed,
            target="net",
        )
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("target", ["f", "net"])
@pytest.mark.parametrize(
    "edits",
    [
        ["net.forward = lambda x: x * 2", "del net.forward"],
        [
            "def forward(x): return x * 2\nnet[0].forward = forward",
            "def forward(x): return x\nnet[0].forward = forward",
        ],
        ["net[0].forward = net[2].forward", "del net[0].forward"],
        ["old = net[1].forward\nnet[1].forward = lambda x: old(x) * FACTOR", "FACTOR = 3.0"],
        ["import types; net[1].forward = types.MethodType(lambda self, x: x * self.inplace, net[1])"],
        ["net[1].__class__ = nn.Tanh"],
    ],
)
def test_patched_forward_of_an_instance(check: Check, edits: list[str], target: str) -> None:
    check(SEQUENTIAL + "FACTOR = 2.0\n", *edits, target=target)


@pytest.mark.parametrize(
    "edits",
    [
        ["def forward(self, x): return x * self.scale\nNet.forward = forward", "net.scale = 3.0"],
        ["Net.forward = lambda self, x: self.first(x)"],
        ["def call(self, x): return x * self.scale\nNet.__call__ = call", "net.scale = 3.0", "del Net.__call__"],
        ["class Other(Net):\n    def forward(self, x): return super().forward(x) + 1\nnet.__class__ = Other"],
        ["Net.extra = staticmethod(torch.tanh)", "del Net.extra"],
        ["Net.extra = lambda self, x: x * self.scale", "net.scale = 3.0"],
        ["Net.scale = 7.0", "del net.scale", "Net.scale = 8.0"],
        ["Net.scale = property(lambda self: 7.0)", "Net.scale = property(lambda self: 8.0)", "del Net.scale"],
        ["Net.__getattr__ = lambda self, name: (lambda x: x * 2)", "del net.first", "del Net.__getattr__"],
        ["del Net.forward"],
    ],
)
def test_patched_class_of_a_module(check: Check, edits: list[str]) -> None:
    check(TWO_LAYERS, *edits, target="net", eager="__getattr__" in edits[0])


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("Linear", "forward"),
        ("Linear", "__call__"),
        ("ReLU", "forward"),
        ("Sequential", "forward"),
        ("Module", "__call__"),
    ],
)
def test_patched_class_of_torch(check: Check, monkeypatch: pytest.MonkeyPatch, owner: str, name: str) -> None:
    class_ = getattr(torch.nn, owner)
    old = getattr(class_, name)

    def patched(self: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        return old(self, x) * 2

    check(
        SEQUENTIAL,
        lambda: monkeypatch.setattr(class_, name, patched),
        lambda: monkeypatch.setattr(class_, name, old),
        target="net",
        eager=owner == "Module",
    )


@pytest.mark.parametrize(
    ("layer", "shape", "edits"),
    [
        (
            "nn.BatchNorm1d(4).eval()",
            (3, 4),
            ["net.eps = 0.5", "net.running_mean = torch.randn(4)", "net.affine = False"],
        ),
        ("nn.BatchNorm1d(4)", (3, 4), ["net.momentum = 0.7", "net.eval()", "net.eps = 0.5", "net.running_mean += 1"]),
        (
            "nn.BatchNorm1d(4)",
            (3, 4),
            ["net.track_running_stats = False", "net.running_var = None; net.running_mean = None"],
        ),
        ("nn.LayerNorm(4)", (3, 4), ["net.eps = 0.5", "net.bias = None", "net.normalized_shape = (3, 4)"]),
        ("nn.LayerNorm((3, 4), bias=False, elementwise_affine=False)", (3, 4), ["net.normalized_shape = (4,)"]),
        ("nn.GroupNorm(2, 4)", (3, 4, 5), ["net.num_groups = 4", "net.eps = 0.5"]),
        ("nn.Softmax(0)", (3, 4), ["net.dim = 1", "net.dim = -1", "net.dim = 5"]),
        ("nn.LeakyReLU(0.1)", (3, 4), ["net.negative_slope = 0.7"]),
        ("nn.ELU(1.0)", (3, 4), ["net.alpha = 0.7"]),
        ("nn.Hardtanh(-1, 1)", (3, 4), ["net.max_val = 0.3", "net.min_val = 0.0"]),
        ("nn.GELU()", (3, 4), ["net.approximate = 'tanh'", "net.approximate = 'wrong'"]),
        ("nn.Flatten()", (3, 4, 2), ["net.start_dim = 0", "net.end_dim = 1"]),
        (
            "nn.Conv1d(4, 4, 3, padding=1)",
            (2, 4, 8),
            ["net.stride = (2,)", "net.padding = (2,)", "net.dilation = (2,)"],
        ),
        ("nn.Conv1d(4, 4, 3)", (2, 4, 8), ["net.bias = None", "net.weight = nn.Parameter(torch.randn(4, 4, 2))"]),
        ("nn.MaxPool1d(2)", (2, 4, 8), ["net.kernel_size = 4", "net.stride = 1", "net.return_indices = True"]),
        ("nn.Dropout(0.5).eval()", (3, 4), ["net.p = 0.1", "net.train(); net.p = 1.0", "net.p = 0.0"]),
        ("nn.Upsample(scale_factor=2)", (1, 2, 4), ["net.scale_factor = 3"]),
        ("nn.PixelShuffle(2)", (1, 4, 2, 2), ["net.upscale_factor = 1"]),
        ("nn.Bilinear(4, 4, 2)", (3, 4), ["net.bias = None"]),
        ("nn.CosineSimilarity(dim=0)", (3, 4), ["net.dim = 1", "net.eps = 2.0"]),
        ("nn.MSELoss()", (3, 4), ["net.reduction = 'sum'", "net.reduction = 'none'"]),
    ],
)
def test_attributes_that_torchs_code_reads(check: Check, layer: str, shape: tuple[int, ...], edits: list[str]) -> None:
    two = layer.startswith(("nn.Bilinear", "nn.Cosine", "nn.MSE"))
    check(
        f"import torch\nfrom torch import nn\nnet = {layer}\n",
        *edits,
        target="net",
        inputs=lambda: tuple(torch.randn(shape) for _ in range(1 + two)),
        state="list(net.buffers())",
    )


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("target", ["f", "net"])
def test_training(check: Check, target: str, grad: bool) -> None:
    check(
        """
        import torch
        from torch import nn
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Dropout(1.0), nn.Hardtanh()))
            def forward(self, x):
                return self.body(x) + (1 if self.training else 2)
        net = Net().eval()
        def f(x):
            return net(x) * 2
        """,
        "net.train(False)",
        "net.body[1].train()",
        "net.eval()",
        "net.training = True",
        "net.body[1][0].training = True",
        target=target,
        grad=grad,
        eager=grad,
    )


def test_library_module_state_in_interpreted_code(check: Check) -> None:
    check(
        """
        import torch
        from torch import nn
        bn, conv = nn.BatchNorm1d(4).eval(), nn.Conv1d(4, 4, 1)
        def f(x):
            return x * bn.eps + conv.stride[0] + conv.out_channels + bn.num_features + (conv.bias is None)
        """,
        "bn.eps = 0.5",
        "conv.stride = (2,)",
        "conv.bias = None",
        "bn.num_features = 7",
        Quiet("bn.momentum = 0.3"),
    )
