"""No pages of torch's internal log about errors that are the user's, and that eager then raises."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

_LOGGER = logging.getLogger("torch._subclasses.fake_tensor")  # logs a traceback of each error of a fake kernel
_muted = threading.local()


def _is_wanted(record: logging.LogRecord) -> bool:
    return not getattr(_muted, "depth", 0) or record.levelno < logging.ERROR


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Drop what this thread logs there; other threads' records stay."""
    if _is_wanted not in _LOGGER.filters:
        _LOGGER.addFilter(_is_wanted)
    _muted.depth = getattr(_muted, "depth", 0) + 1
    try:
        yield
    finally:
        _muted.depth -= 1
