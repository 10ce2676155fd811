"""Where the fake kernels of PyTorch's operators disagree with its CPU kernels about dtypes and shapes.

A captured graph's types come from the fake kernels. Runs PyTorch's OpInfo samples, checks every ATen call in them, and prints
each op that gives something else once a dtype.

    python benchmarks/opinfo_metadata.py --dtypes bfloat16 float16 --samples 6
"""

from __future__ import annotations

import argparse
import signal
import warnings
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode


class Compare(TorchDispatchMode):
    """Runs each call on real tensors and, on copies of their metadata, with its fake kernel."""

    def __init__(self, dtype: str, found: dict[tuple[str, str], str]) -> None:
        super().__init__()
        self.dtype, self.found = dtype, found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        expected: Any = None
        try:
            with FakeTensorMode() as mode:
                fake = pytree.tree_map_only(torch.Tensor, mode.from_tensor, (args, kwargs))
                expected = pytree.tree_leaves(func(*fake[0], **fake[1]))
        except Exception:  # data-dependent, or not supported: nothing is captured then either
            pass
        result = func(*args, **kwargs)
        if expected is not None:
            self._compare(str(func), pytree.tree_leaves(result), expected)
        return result

    def _compare(self, name: str, real: list[Any], fake: list[Any]) -> None:
        for number, (r, f) in enumerate(zip(real, fake, strict=False)):
            if not isinstance(r, torch.Tensor) or not isinstance(f, torch.Tensor):
                continue
            if any(isinstance(size, torch.SymInt) for size in f.shape):
                continue
            if (r.dtype, r.shape) != (f.dtype, f.shape):
                text = f"result {number} is {r.dtype} {tuple(r.shape)}, fake {f.dtype} {tuple(f.shape)}"
                if (name, self.dtype) not in self.found:
                    print(f"{name} {self.dtype}: {text}", flush=True)
                self.found.setdefault((name, self.dtype), text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16", "float16", "int64", "int8", "bool"])
    parser.add_argument("--samples", type=int, default=6, help="of each op and dtype")
    parser.add_argument("--limit", type=int, default=20, help="seconds for an op and dtype")
    parser.add_argument("--part", default="0/1", help="i/n: every n-th op, from the i-th on")
    options = parser.parse_args()
    from torch.testing._internal.common_methods_invocations import op_db

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    found: dict[tuple[str, str], str] = {}
    part, parts = map(int, options.part.split("/"))

    def late(*unused: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    for info in op_db[part::parts]:
        for name in options.dtypes:
            dtype = getattr(torch, name)
            if dtype not in info.supported_dtypes("cpu"):
                continue
            signal.alarm(options.limit)
            try:
                for _, sample in zip(range(options.samples), info.sample_inputs("cpu", dtype), strict=False):
                    with torch.no_grad(), Compare(name, found):
                        info.op(sample.input, *sample.args, **sample.kwargs)
            except Exception:  # the sample is an error, or slow
                pass
            finally:
                signal.alarm(0)
    print(f"{len(found)} pairs of op and dtype differ")


if __name__ == "__main__":
    main()
