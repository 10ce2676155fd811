"""`nn.Module`s that are edited between calls: containers, hooks, patched methods, attributes that torch's own code reads."""

from __future__ import annotations

import pytest
from support.twins import Check, Quiet

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
