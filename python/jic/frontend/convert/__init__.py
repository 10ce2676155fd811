"""Conversion of the raw torch dialect to `jic`, one file an op family."""

from . import (  # noqa: F401  (each registers its conversions)
    activation,
    attention,
    contraction,
    control_flow,
    creation,
    elementwise,
    indexing,
    normalization,
    reduction,
    special,
    view,
    window,
)
from .conversion import Conversion, NotConverted, converts, is_converted

__all__ = ["Conversion", "NotConverted", "converts", "is_converted"]
