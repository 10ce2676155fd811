"""The user's source line: of a traced node, and of an exception."""

from __future__ import annotations

import functools
import os
import re
import sysconfig
from types import TracebackType

import torch

_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_STDLIB = sysconfig.get_paths()["stdlib"] + os.sep
_HIDDEN = (os.path.dirname(torch.__file__) + os.sep, os.path.dirname(os.path.dirname(__file__)) + os.sep)


def is_users(path: str) -> bool:
    """True for a source file outside torch, jic and the standard library."""
    library = path.startswith(_STDLIB) and "site-packages" not in path
    return not library and not path.startswith((*_HIDDEN, "<frozen"))


@functools.lru_cache(maxsize=65536)
def of_stack(stack_trace: str | None) -> str:
    """`file:line` of the innermost frame outside torch and jic; of the innermost frame if there is none; or ''."""
    frames = _FRAME.findall(stack_trace or "")
    users = [f for f in frames if is_users(f[0])]
    innermost = (users or frames)[-1:]
    return ":".join(innermost[0]) if innermost else ""


def of_exception(error: BaseException) -> str:
    """As `of_stack`, for the place that raised `error`; '' if no frame is the user's."""
    found = ""
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        path = traceback.tb_frame.f_code.co_filename
        if is_users(path):
            found = f"{path}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return found
