"""Where eager raises for the dtypes of a call, and a capture does not.

Runs PyTorch's OpInfo samples, repeats each new ATen call with one operand, then all of them, in other dtypes, and prints the ops
whose kernels raise where the fake kernels, as a capture corrects them, give a result.

    python benchmarks/opinfo_dtypes.py
"""

from __future__ import annotations

import argparse
import signal
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from jic.frontend.fake_kernels import corrected

DTYPES = (torch.int64, torch.float64, torch.bool, torch.bfloat16, torch.int8)


class Vary(TorchDispatchMode):
    """Runs each call, and the first of each op in other dtypes too, for real and with its fake kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[Any] = set()
        self.found: dict[str, list[str]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func not in self.seen and not func._schema.is_mutable:
            self.seen.add(func)
            self._vary(func, *pytree.tree_flatten((args, kwargs)))
        return func(*args, **kwargs)

    def _vary(self, func: Any, leaves: list[Any], spec: Any) -> None:
        floats = [i for i, a in enumerate(leaves) if isinstance(a, torch.Tensor) and a.dtype == torch.float32]
        places = [floats, *([i] for i in floats)] if len(floats) > 1 else [[i] for i in floats]
        for dtype in DTYPES:
            for which in places:
                changed = [a.abs().to(dtype) if i in which else a for i, a in enumerate(leaves)]
                real = _error(lambda values=changed: func(*(c := pytree.tree_unflatten(values, spec))[0], **c[1]))
                if real and not _error(lambda values=changed: _captured(func, values, spec)):
                    name = "all" if which is floats and len(floats) > 1 else f"operand {floats.index(which[0])}"
                    self.found.setdefault(str(func), []).append(f"{name} {str(dtype).removeprefix('torch.')}: {real}")


def _error(call: Callable[[], Any]) -> str:
    """The first line of what `call` raises."""
    try:
        call()
    except TimeoutError:
        raise
    except Exception as error:
        return str(error).split("\n")[0] or type(error).__name__
    return ""


def _captured(func: Any, values: list[Any], spec: Any) -> None:
    with corrected(), FakeTensorMode() as mode:
        args, kwargs = pytree.tree_unflatten(pytree.tree_map_only(torch.Tensor, mode.from_tensor, values), spec)
        func(*args, **kwargs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2, help="of each op")
    parser.add_argument("--limit", type=int, default=10, help="seconds for an op")
    options = parser.parse_args()
    from torch.testing._internal.common_methods_invocations import op_db

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)

    def late(*unused: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    vary = Vary()
    for info in op_db:
        if torch.float32 not in info.supported_dtypes("cpu"):
            continue
        signal.alarm(options.limit)
        try:
            for _, sample in zip(range(options.samples), info.sample_inputs("cpu", torch.float32), strict=False):
                with torch.no_grad(), vary:
                    info.op(sample.input, *sample.args, **sample.kwargs)
        except Exception:  # the sample is an error, or slow
            pass
        finally:
            signal.alarm(0)
    for name, cases in vary.found.items():
        print(f"{name}: {len(cases)}, {cases[0]}")
    print(f"{len(vary.found)} of {len(vary.seen)} ops raise in eager alone")


if __name__ == "__main__":
    main()
