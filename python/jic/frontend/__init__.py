"""The frontend: from a Python callable to a graph (`trace`), and from the graph to `jic` IR (`import_graph`).

`trace` needs torch alone, so that a start from a warm cache never loads MLIR; `importer` and `convert` need torch-mlir.
"""

from .control.user import range, unroll
from .guards import Guard
from .numbers import Number, StateNumber, number_leaves
from .trace import trace
from .traced import InputSource, OutputSource, Reason, Traced

__all__ = [
    "Guard",
    "InputSource",
    "Number",
    "OutputSource",
    "Reason",
    "StateNumber",
    "Traced",
    "number_leaves",
    "range",
    "trace",
    "unroll",
]
