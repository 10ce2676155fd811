"""What follows a statement that may have left: regions one after the other, each of which runs if nothing has left yet.

    for l in layers:                    r, code = if c1 { x, 3 } else { -, 0 }
        x = l(x)                        x, r, code = if code == 0 { x = l2(x); … } else { x, r, code }
        if c(x):                   →    x, r, code = if code == 0 { x = l3(x); … } else { x, r, code }
            return x

They do not nest, so that a thousand exits are a thousand regions side by side.
"""

from __future__ import annotations

from collections.abc import Callable

from .branches import Unsettled, branch
from .context import Context
from .flow import Flow
from .scalar import Scalar


def in_sequence(context: Context, trace: Callable[[int], tuple[Flow, int]], count: int, what: str) -> Flow:
    """The flow after items 0 … `count` - 1 of code.

    Args:
        trace: traces items from the given one on, up to one that may leave; returns the flow then, and the next item's number.
        what: the code in words, for messages.
    """
    flow, reached = trace(0)
    if reached >= count or flow.certain or not flow.goes_on:
        return flow
    unsettled, goes_on = Unsettled(), None
    code = None
    while reached < count and flow.goes_on and not flow.certain:
        if flow.code is not code:
            code = flow.code
            assert isinstance(code, Scalar)
            goes_on = Scalar(bool, code.tensor == 0)
        assert goes_on is not None
        left = Flow(code, flow.kinds - {"next"})
        start = after = reached

        def piece(start: int = start) -> Flow:
            nonlocal after
            found, after = trace(start)
            return found

        flow = branch(context, goes_on, piece, lambda left=left: left, what, unsettled)
        reached = after
    unsettled.settle(context)
    return flow
