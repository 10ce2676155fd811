"""State of torch itself, and functions of torch that are patched."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from support.twins import Check, Twins

FACTORY = """
    import torch
    def f(x):
        return x * torch.ones(4) + torch.arange(4) + torch.tensor(1.5) + torch.full((4,), 2.0)
    """


def test_default_dtype(check: Check) -> None:
    check(FACTORY, lambda: torch.set_default_dtype(torch.float64), lambda: torch.set_default_dtype(torch.float32))


def test_default_dtype_read(check: Check) -> None:
    check(
        """
        import torch
        def f(x):
            return x * (2 if torch.get_default_dtype() is torch.float32 else 3) + 1
        """,
        lambda: torch.set_default_dtype(torch.float64),
        lambda: torch.set_default_dtype(torch.float32),
    )


def test_default_device(check: Check) -> None:
    check(
        """
        import torch
        def f(x):
            return x * 2, torch.ones(4).device.type
        """,
        lambda: torch.set_default_device("meta"),
        lambda: torch.set_default_device("cpu"),
        lambda: torch.set_default_device(None),
        inputs=lambda: (torch.randn(3, 4, device="cpu"),),
        eager=True,
    )


READS = {
    "torch.get_num_threads()": (lambda: torch.set_num_threads(1), lambda: torch.set_num_threads(2)),
    "(torch.get_float32_matmul_precision() == 'high')": (
        lambda: torch.set_float32_matmul_precision("high"),
        lambda: torch.set_float32_matmul_precision("highest"),
    ),
    "torch.are_deterministic_algorithms_enabled()": (
        lambda: torch.use_deterministic_algorithms(True),
        lambda: torch.use_deterministic_algorithms(False),
    ),
    "torch.is_deterministic_algorithms_warn_only_enabled()": (
        lambda: torch.use_deterministic_algorithms(True, warn_only=True),
        lambda: torch.use_deterministic_algorithms(False),
    ),
    "torch.backends.cudnn.deterministic": (
        lambda: setattr(torch.backends.cudnn, "deterministic", True),
        lambda: setattr(torch.backends.cudnn, "deterministic", False),
    ),
    "torch.backends.cudnn.benchmark": (
        lambda: setattr(torch.backends.cudnn, "benchmark", True),
        lambda: setattr(torch.backends.cudnn, "benchmark", False),
    ),
    "torch.backends.mkldnn.enabled": (
        lambda: setattr(torch.backends.mkldnn, "enabled", False),
        lambda: setattr(torch.backends.mkldnn, "enabled", True),
    ),
    "torch.backends.cuda.matmul.allow_tf32": (
        lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True),
        lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", False),
    ),
    "torch.is_autocast_cpu_enabled()": (
        lambda: torch.set_autocast_enabled("cpu", True),
        lambda: torch.set_autocast_enabled("cpu", False),
    ),
    "torch.is_autocast_enabled('cpu')": (
        lambda: torch.set_autocast_enabled("cpu", True),
        lambda: torch.set_autocast_enabled("cpu", False),
    ),
    "torch.get_rng_state().sum().item()": (lambda: torch.manual_seed(5), lambda: torch.manual_seed(6)),
    "torch.initial_seed() % 7": (lambda: torch.manual_seed(5), lambda: torch.manual_seed(6)),
    "torch.is_warn_always_enabled()": (lambda: torch.set_warn_always(True), lambda: torch.set_warn_always(False)),
    "torch.is_anomaly_enabled()": (
        lambda: torch.autograd.set_detect_anomaly(True),
        lambda: torch.autograd.set_detect_anomaly(False),
    ),
    "torch.is_grad_enabled()": (lambda: torch.set_grad_enabled(True), lambda: torch.set_grad_enabled(False)),
    "torch.backends.cuda.flash_sdp_enabled()": (
        lambda: torch.backends.cuda.enable_flash_sdp(False),
        lambda: torch.backends.cuda.enable_flash_sdp(True),
    ),
    "torch.get_deterministic_debug_mode()": (
        lambda: torch.set_deterministic_debug_mode(1),
        lambda: torch.set_deterministic_debug_mode(0),
    ),
}


@pytest.mark.parametrize("read", READS)
def test_state_read_by_the_function(check: Check, read: str) -> None:
    change, back = READS[read]
    gradients = torch.is_grad_enabled()
    try:
        check(f"import torch\ndef f(x):\n    return x * (2 + {read}) + 1\n", change, back, eager=True)
    finally:
        back()
        torch.set_grad_enabled(gradients)  # the fixture runs without


def test_autocast(check: Check) -> None:
    source = "import torch\nW = torch.randn(4, 4)\ndef f(x):\n    return x @ W\n"
    check(
        source,
        lambda: torch.set_autocast_enabled("cpu", True),
        lambda: torch.set_autocast_dtype("cpu", torch.float16),
        lambda: torch.set_autocast_dtype("cpu", torch.bfloat16),
        lambda: torch.set_autocast_enabled("cpu", False),
        eager=True,
    )


@pytest.mark.parametrize("first", [torch.no_grad, torch.enable_grad, torch.inference_mode])
@pytest.mark.parametrize("second", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_grad_and_inference_modes(tmp_path: Path, first: type, second: type) -> None:
    source = """
        import torch
        w = torch.randn(4, requires_grad=True)
        def f(x):
            y = x * w if torch.is_grad_enabled() else x - w
            return y, torch.is_inference_mode_enabled(), y.requires_grad
        """
    twins = Twins(tmp_path, source)
    for mode in (first, second, first, second):
        for _ in range(2):
            with mode():
                twins.compare(torch.randn(3, 4))
    twins.unload()


PATCHED = {
    "F.relu": (F, "relu", "F.relu(x) + 1"),
    "torch.relu": (torch, "relu", "torch.relu(x) + 1"),
    "method": (torch.Tensor, "relu", "x.relu() + 1"),
    "nn.ReLU": (F, "relu", "torch.nn.ReLU()(x) + 1"),
    "from import": (F, "relu", "relu(x) + F.relu(x)"),
    "torch.nn.functional.relu": (F, "relu", "torch.nn.functional.relu(x) + 1"),
    "helper": (torch, "tanh", "helper(x) + 1"),
    "getattr": (torch, "tanh", "getattr(torch, 'tanh')(x) + 1"),
    "module": (torch.nn.ReLU, "forward", "net(x) + 1"),
}


@pytest.mark.parametrize("name", PATCHED)
def test_patched_function_of_torch(check: Check, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    owner, attribute, expression = PATCHED[name]
    old = getattr(owner, attribute)

    def patched(*args: torch.Tensor, **kwargs: object) -> torch.Tensor:
        return args[-1] * 3

    check(
        f"""
        import torch
        import torch.nn.functional as F
        from torch.nn.functional import relu
        net = torch.nn.Sequential(torch.nn.ReLU())
        def helper(x): return torch.tanh(x)
        def f(x): return {expression}
        """,
        lambda: monkeypatch.setattr(owner, attribute, patched),
        lambda: monkeypatch.setattr(owner, attribute, old),
        lambda: monkeypatch.setattr(owner, attribute, lambda *args, **kwargs: args[-1] * 5),
        lambda: monkeypatch.undo(),
        eager=name == "from import",
    )


def test_attribute_added_to_torch(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    check(
        """
        import torch
        def f(x):
            return torch.stale_extra(x) if hasattr(torch, "stale_extra") else x + 1
        """,
        lambda: monkeypatch.setattr(torch, "stale_extra", lambda x: x * 2, raising=False),
        lambda: monkeypatch.setattr(torch, "stale_extra", lambda x: x * 3),
        lambda: monkeypatch.undo(),
    )


def test_torch_function_mode(check: Check) -> None:
    from torch.overrides import TorchFunctionMode

    class Doubling(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            out = func(*args, **(kwargs or {}))
            return out * 2 if func is torch.tanh else out

    mode = Doubling()
    try:
        check(
            "import torch\ndef f(x):\n    return torch.tanh(x) + 1\n",
            lambda: mode.__enter__(),
            lambda: mode.__exit__(None, None, None),
            eager=True,
        )
    except AssertionError:
        while torch._C._len_torch_function_stack():
            torch._C._pop_torch_function_stack()
        raise


def test_dispatch_mode(check: Check) -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Halving(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            out = func(*args, **(kwargs or {}))
            return out / 2 if func is torch.ops.aten.tanh.default else out

    mode = Halving()
    check(
        "import torch\ndef f(x):\n    return torch.tanh(x) + 1\n",
        lambda: mode.__enter__() and None,
        lambda: mode.__exit__(None, None, None),
        eager=True,
    )
