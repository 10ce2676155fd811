"""The user's source line: of a traced node, and of an exception."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from types import CodeType, TracebackType
from typing import Any

import torch

_STDLIB = sysconfig.get_paths()["stdlib"] + os.sep
_HIDDEN = (os.path.dirname(torch.__file__) + os.sep, os.path.dirname(os.path.dirname(__file__)) + os.sep)


@functools.lru_cache(maxsize=4096)
def is_users(path: str) -> bool:
    """True for a source file outside torch, jic and the standard library."""
    library = path.startswith(_STDLIB) and "site-packages" not in path
    return not library and not path.startswith((*_HIDDEN, "<frozen"))


def of_caller(outermost: CodeType) -> str:
    """`file:line` of the innermost user frame under the frame that runs `outermost`; '' if there is none."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code is not outermost:
        if is_users(frame.f_code.co_filename):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def of_function(function: Any) -> str:
    """`file:line` where a function, or a module's class, is defined; '' if that is not known."""
    function = getattr(function, "forward", function)
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None and is_users(code.co_filename) else ""


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
