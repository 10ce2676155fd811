"""The user's source line: of a traced node, and of an exception."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, TracebackType
from typing import Any

import torch
from torch.fx import traceback as fx_traceback
from torch.overrides import TorchFunctionMode

_STDLIB = sysconfig.get_paths()["stdlib"] + os.sep
_HIDDEN = (os.path.dirname(torch.__file__) + os.sep, os.path.dirname(os.path.dirname(__file__)) + os.sep)


@functools.lru_cache(maxsize=4096)
def is_users(path: str) -> bool:
    """True for a source file outside torch, jic and the standard library."""
    library = path.startswith(_STDLIB) and "site-packages" not in path
    return not library and not path.startswith((*_HIDDEN, "<frozen"))


class _Recorder(TorchFunctionMode):
    """Gives each traced node the innermost user frame between it and the traced call, as its stack trace."""

    def __init__(self, outermost: CodeType) -> None:
        super().__init__()
        self.outermost = outermost

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        frame = sys._getframe(1)
        while frame is not None and frame.f_code is not self.outermost:
            path = frame.f_code.co_filename
            if is_users(path):
                fx_traceback.set_stack_trace([f"{path}:{frame.f_lineno}"])
                break
            frame = frame.f_back
        return func(*args, **(kwargs or {}))


@contextmanager
def recorded(outermost: CodeType) -> Iterator[None]:
    """While it is entered, nodes are traced with `file:line` as their stack trace; frames up to `outermost` count."""
    with fx_traceback.preserve_node_meta(), _Recorder(outermost):
        yield


def of_exception(error: BaseException) -> str:
    """`file:line` of the innermost frame outside torch, jic and the standard library that `error` passed; or ''."""
    found = ""
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        path = traceback.tb_frame.f_code.co_filename
        if is_users(path):
            found = f"{path}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return found
