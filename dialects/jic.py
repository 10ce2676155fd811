"""All operation classes of the dialect. MLIR imports this module to wrap `jic.*` ops (see `jic.dialects.load`)."""

from ._base import Invalid, Jic, JicOp
from .contraction import *  # noqa: F403
from .control_flow import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .indexing import *  # noqa: F403
from .kernel import *  # noqa: F403
from .normalization import *  # noqa: F403
from .opaque import *  # noqa: F403
from .reduction import *  # noqa: F403
from .view import *  # noqa: F403
from .window import *  # noqa: F403

__all__ = ["Invalid", "Jic", "JicOp", *(op.__name__ for op in Jic.operations)]  # pyright: ignore[reportUnsupportedDunderAll]
