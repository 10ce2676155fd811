"""`nn.Module`s that are edited between calls: containers, hooks, patched methods, attributes that torch's own code reads."""

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


@pytest.mark.parametrize(
    "edit",
    [
        "net.append(nn.Tanh())",
        "net.insert(1, nn.Tanh())",
        "net.extend([nn.Tanh(), nn.Linear(4, 4)])",
        "net.pop(2)",
        "net[1] = nn.Tanh()",
        "net[-1] = nn.Sequential(nn.Linear(4, 4), nn.Tanh())",
        "del net[1]",
        "del net[1:]",
        "net.add_module('last', nn.Tanh())",
        "net.last = nn.Tanh()",
        "net.__iadd__(nn.Sequential(nn.Tanh()))",
        "net._modules['1'] = nn.Tanh()",
        "net._modules['0'] = net._modules.pop('0')",
        "net._modules.clear()",
        "net._modules = dict(list(net._modules.items())[:2])",
        "setattr(net, '1', nn.Tanh())",
        "net[1].inplace = True",
    ],
)
def test_sequential(check: Check, edit: str) -> None:
    check(SEQUENTIAL, edit, target="net")


def test_sequential_in_a_function(check: Check) -> None:
    check(
        SEQUENTIAL,
        "net.append(nn.Tanh())",
        "net[1] = nn.Tanh()",
        "net.pop(0)",
        "net.insert(0, nn.ReLU())",
        "del net[1:]",
    )


def test_sequential_restored(check: Check) -> None:
    check(SEQUENTIAL, "kept = net[1]\nnet[1] = nn.Tanh()", Quiet("net[1] = kept"), Quiet("net.note = 'unread'"))


def test_nested_sequential(check: Check) -> None:
    check(
        """
        import torch
        from torch import nn
        net = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(4, 4))))
        """,
        "net[1][1].append(nn.Tanh())",
        "net[1].insert(0, nn.Tanh())",
        "net[1][2][0] = nn.Identity()",
        target="net",
    )


MODULE_LIST = """
    import torch
    from torch import nn
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        def forward(self, x):
            for layer in self.layers:
                x = layer(x).relu()
            return x * len(self.layers)
    net = Net()
    """


@pytest.mark.parametrize(
    "edit",
    [
        "net.layers.append(nn.Tanh())",
        "net.layers.insert(0, nn.Tanh())",
        "net.layers.extend([nn.Tanh()])",
        "net.layers.pop(0)",
        "net.layers[0] = nn.Tanh()",
        "del net.layers[0]",
        "net.layers += [nn.Tanh()]",
        "net.layers = nn.ModuleList([nn.Tanh()])",
        "del net.layers; net.layers = [nn.Tanh()]",
        "del net.layers",
    ],
)
def test_module_list(check: Check, edit: str) -> None:
    check(MODULE_LIST, edit, target="net")


MODULE_DICT = """
    import torch
    from torch import nn
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts, self.use = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Tanh()}), "a"
        def forward(self, x):
            x = self.parts[self.use](x)
            if "c" in self.parts:
                x = x * 3
            for name, part in self.parts.items():
                x = part(x) + len(name)
            return x
    net = Net()
    """


@pytest.mark.parametrize(
    "edit",
    [
        "net.parts['c'] = nn.ReLU()",
        "net.parts['a'] = nn.ReLU()",
        "net.parts.update({'bb': nn.ReLU()})",
        "net.parts.pop('b')",
        "del net.parts['a']",
        "net.parts.clear()",
        "net.use = 'b'",
        "net.parts['bbb'] = net.parts.pop('b')",
    ],
)
def test_module_dict(check: Check, edit: str) -> None:
    check(MODULE_DICT, edit, target="net")


PARAMETER_LIST = """
    import torch
    from torch import nn
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.scales = nn.ParameterList([nn.Parameter(torch.randn(4)), nn.Parameter(torch.randn(4))])
            self.named = nn.ParameterDict({"a": nn.Parameter(torch.randn(4))})
        def forward(self, x):
            for scale in self.scales:
                x = x * scale
            for name in self.named:
                x = x + self.named[name]
            return x.relu()
    net = Net()
    """


@pytest.mark.parametrize(
    "edit",
    [
        "net.scales.append(nn.Parameter(torch.randn(4)))",
        "net.scales[0] = nn.Parameter(torch.randn(4))",
        "net.scales.extend([nn.Parameter(torch.randn(4))])",
        "net.scales = nn.ParameterList([nn.Parameter(torch.randn(4))])",
        "net.scales[1] = net.scales[0]",
        "net.named['b'] = nn.Parameter(torch.randn(4))",
        "net.named['a'] = nn.Parameter(torch.randn(4))",
        "del net.named['a']",
        "net.named.clear()",
    ],
)
def test_parameter_containers(check: Check, edit: str) -> None:
    check(PARAMETER_LIST, edit, target="net")


def test_parameter_containers_with_gradients(check: Check) -> None:
    check(
        PARAMETER_LIST,
        "net.scales.append(nn.Parameter(torch.randn(4)))",
        "net.scales[0] = nn.Parameter(torch.randn(4))",
        "net.named['a'] = nn.Parameter(torch.randn(4))",
        "net.named['b'] = net.named['a']",
        target="net",
        grad=True,
    )


@pytest.mark.parametrize(
    "edit",
    [
        "del net.first",
        "net.first = nn.Identity()",
        "net.extra = nn.Tanh()",
        "net.extra = nn.Linear(4, 4)",
        "net.extra = torch.tanh",
        "net.extra = None",
        "net.scale = 5.0",
        "net.scale = torch.randn(4)",
        "net.first, net.second = net.second, net.first",
        "net.second = net.first",
        "net.second.weight = net.first.weight",
        "del net.first; net.first = lambda x: x * 2",
        "net.scale = nn.Parameter(torch.randn(4))",
        "net.register_buffer('extra', None)",
        "net.first.bias = None",
        "net.first.register_parameter('bias', None)",
        "net.first.weight = nn.Parameter(torch.randn(4, 4))",
        "del net.first.weight",
        "net.first._parameters['weight'] = nn.Parameter(torch.randn(4, 4))",
        "net.first._parameters = {'weight': nn.Parameter(torch.randn(4, 4)), 'bias': None}",
        "net.__dict__['scale'] = 9.0",
        "vars(net).pop('scale')",
        "net.load_state_dict({k: v + 1 for k, v in net.state_dict().items()})",
        "net.load_state_dict({k: v + 1 for k, v in net.state_dict().items()}, assign=True)",
        "net.double()",
        "net.to(torch.bfloat16).float()",
        "net.requires_grad_(False)",
        "net.apply(lambda m: m.register_parameter('bias', None) if isinstance(m, nn.Linear) else None)",
        "import copy; net.first = copy.deepcopy(net.second)",
        "torch.nn.utils.parametrizations.weight_norm(net.first)",
        "torch.nn.utils.parametrize.register_parametrization(net.first, 'weight', nn.Tanh())",
        "torch.nn.utils.prune.l1_unstructured(net.first, 'weight', amount=0.5)",
    ],
)
def test_attributes_of_a_module(check: Check, edit: str) -> None:
    imports = "import torch.nn.utils.parametrizations, torch.nn.utils.parametrize, torch.nn.utils.prune"
    check(TWO_LAYERS + imports + "\n", edit, target="net", eager="utils" in edit)


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


def test_module_methods_and_tables(check: Check) -> None:
    """What is read by `parameters()`, `named_modules()`, `children()`, `get_submodule()`."""
    check(
        """
        import torch
        from torch import nn
        net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4, bias=False))
        def f(x):
            for p in net.parameters():
                x = x + p.sum()
            for name, child in net.named_modules():
                x = x * (1 + len(name))
            for child in net.children():
                x = child(x)
            return net.get_submodule("0")(x) + len(net) + len(list(net.modules()))
        """,
        "net.append(nn.Tanh())",
        "net[1].bias = nn.Parameter(torch.randn(4))",
        "net[0] = nn.Identity()",
        eager=True,
    )


def test_a_module_in_a_plain_container(check: Check) -> None:
    check(
        """
        import torch
        from torch import nn
        LAYERS = [nn.Linear(4, 4), nn.Tanh()]
        TABLE = {"a": nn.Linear(4, 4)}
        def f(x):
            for layer in LAYERS:
                x = layer(x)
            return TABLE["a"](x)
        """,
        "LAYERS[1] = nn.ReLU()",
        "LAYERS.append(nn.Linear(4, 4))",
        "TABLE['a'] = nn.Tanh()",
        "LAYERS[0].weight = nn.Parameter(torch.randn(4, 4))",
    )


def test_optimizer_like_step(check: Check) -> None:
    """A learning rate in a dict of a list of dicts."""
    check(
        """
        import torch
        w = torch.randn(4)
        class Optimizer:
            def __init__(self):
                self.param_groups = [{"lr": 0.1, "params": [w]}]
        opt = Optimizer()
        def f(x):
            total = x
            for group in opt.param_groups:
                for p in group["params"]:
                    total = total - group["lr"] * p
            return total
        """,
        "opt.param_groups[0]['lr'] = 0.5",
        "opt.param_groups[0]['params'].append(torch.randn(4))",
        "opt.param_groups.append({'lr': 0.2, 'params': [w]})",
        "opt.param_groups[1]['params'][0] = torch.randn(4)",
        Quiet("opt.param_groups[0]['momentum'] = 1"),
        "w = torch.randn(4)",
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
