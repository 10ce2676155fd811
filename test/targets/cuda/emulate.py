"""Runs CUDA kernels on the CPU, from the LLVM IR that becomes PTX: one Python thread for each GPU thread of a block.

Special registers, shuffles and barriers call back into Python. It shows that indices, masks, shuffles and shared memory
do what they should; it says nothing of PTX, of memory ordering on a device, or of speed.
"""

from __future__ import annotations

import ctypes
import functools
import re
import threading
from collections.abc import Sequence
from typing import Any

import llvmlite.binding as llvm
import torch
from torch_mlir import ir

from jic.targets.cuda.machine import WARP
from jic.targets.cuda.ptx import to_llvm
from jic.targets.cuda.target import CudaTarget
from jic.targets.ir.llvm_text import to_older_syntax
from jic.targets.program.lower import main_of
from jic.targets.program.manifest import build

_SHARED_CALLS = {
    "tid.x": "tid",
    "ctaid.x": "ctaid",
    "shfl.sync.bfly.f32": "shuffle_float",
    "shfl.sync.bfly.i32": "shuffle_int",
    "barrier0": "barrier",
    "barrier.cta.sync.aligned.all": "barrier",
}


class _Block:
    """The block that runs now: its number, its threads' meeting points, and what they hand each other."""

    def __init__(self) -> None:
        self.number = 0
        self.local = threading.local()
        self.error: BaseException | None = None

    def start(self, number: int, threads: int) -> None:
        self.number = number
        self.meeting = threading.Barrier(threads)
        self.warps = [threading.Barrier(WARP) for _ in range(threads // WARP)]
        self.slots = [0.0] * threads

    def shuffle(self, value: Any, distance: int) -> Any:
        thread = self.local.thread
        warp = self.warps[thread // WARP]
        self.slots[thread] = value
        warp.wait(60)
        found = self.slots[thread ^ distance]
        warp.wait(60)
        return found


_block = _Block()
_I32, _F32 = ctypes.c_int32, ctypes.c_float
_CALLBACKS = {
    "tid": ctypes.CFUNCTYPE(_I32)(lambda: _block.local.thread),
    "ctaid": ctypes.CFUNCTYPE(_I32)(lambda: _block.number),
    "shuffle_float": ctypes.CFUNCTYPE(_F32, _I32, _F32, _I32, _I32)(lambda m, v, d, c: _block.shuffle(v, d)),
    "shuffle_int": ctypes.CFUNCTYPE(_I32, _I32, _I32, _I32, _I32)(lambda m, v, d, c: _block.shuffle(v, d)),
    "barrier": ctypes.CFUNCTYPE(None, _I32)(lambda _: _block.meeting.wait(60) and None),
}


@functools.cache
def _prepare() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for name, callback in _CALLBACKS.items():
        llvm.add_symbol(f"emulated_{name}", ctypes.cast(callback, ctypes.c_void_p).value)


def _machine() -> llvm.TargetMachine:
    """A new one for each engine, which becomes its owner."""
    _prepare()
    features = llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_default_triple().create_target_machine(llvm.get_host_cpu_name(), features, opt=1)


def for_host(text: str) -> str:
    """LLVM IR `text` for NVPTX as IR for this machine."""
    text = re.sub(r"^target (triple|datalayout) = .*$", "", to_older_syntax(text), flags=re.MULTILINE)
    text = text.replace("ptx_kernel ", "")
    text = re.sub(r"^(declare) .*?((?:i32|float|void) @llvm\.nvvm)", r"\1 \2", text, flags=re.MULTILINE)

    def rename(match: re.Match[str]) -> str:
        name = match[1].removeprefix("read.ptx.sreg.")
        return f"@emulated_{_SHARED_CALLS[name]}("

    text = re.sub(r"@llvm\.nvvm\.([\w.]+)\(", rename, text)
    return re.sub(r"^(declare [^@]*@emulated_\w+\([^)]*\)).*$", r"\1", text, flags=re.MULTILINE)


def run(module: ir.Module, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The outputs of `module` (at the level "kernels") for CPU tensors, by emulation of its CUDA kernels."""
    target = CudaTarget()
    kernels, program = target.lowered(module)
    with module.context, ir.Location.unknown():
        manifest, constants = build(program, main_of(module.body), target.backend(kernels))
        texts = {k.name: to_llvm(k.module, index_bits=32) for k in kernels.made}
    memory = {("input", i): x.contiguous() for i, x in enumerate(inputs)}
    for i, d in enumerate(manifest["outputs"]):
        memory["output", i] = torch.empty(d["shape"], dtype=getattr(torch, d["dtype"]))
    for i, (offset, size) in enumerate(manifest["constants"]):
        memory["constant", i] = torch.frombuffer(bytearray(constants[offset : offset + size]), dtype=torch.uint8)
    workspace = torch.zeros(max(1, manifest["workspace"]), dtype=torch.uint8)

    def address(slot: Sequence[Any]) -> int:
        kind, at = slot
        return workspace.data_ptr() + at if kind == "workspace" else memory[kind, at].data_ptr()

    for step in manifest["steps"]:
        if step["op"] == "copy":
            ctypes.memmove(address(step["to"]), address(step["from"]), step["bytes"])
            continue
        if step["op"] == "check":
            assert not ctypes.c_int64.from_address(address(step["buffer"])).value, step["message"]
            continue
        name, pointers = step["kernel"], [address(s) for s in step["buffers"]]
        _launch(texts[name], name, step["grid"][0], step["block"][0], pointers)
    return [memory["output", i] for i in range(len(manifest["outputs"]))]


def _launch(text: str, name: str, grid: int, threads: int, pointers: list[int]) -> None:
    machine = _machine()
    host_module = llvm.parse_assembly(for_host(text))
    engine = llvm.create_mcjit_compiler(host_module, machine)
    engine.finalize_object()
    entry = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(pointers))(engine.get_function_address(name))
    alone = "@llvm.nvvm.shfl" not in text and "@llvm.nvvm.barrier" not in text

    def one(thread: int) -> None:
        _block.local.thread = thread
        entry(*pointers)

    for number in range(grid):
        _block.start(number, threads)
        if alone:
            for thread in range(threads):
                one(thread)
            continue
        workers = [threading.Thread(target=one, args=(t,)) for t in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
