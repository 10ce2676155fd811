"""The backward of a captured graph with control flow, as a graph with control flow of its own.

A loop runs forward and saves the carried values of each step, and its matrix products; then a second loop goes through the
steps from the last to the first, recomputes each from what was saved, and applies its derivative:

    [%i, %h] = loop_begin(%n, [%h0])            [%i, %h, %b] = loop_begin(%n, [%h0, zeros(n, …)])
      %y = tanh(matmul(%h, %w))                   %c = dynamic_update(%b, %h, %i)
    [%r] = loop_end([%y])                         %y = tanh(matmul(%h, %w))
                                                [_, %saved] = loop_end([%y, %c])
                                          ->    [%j, %g, %gw] = loop_begin(%n, [%gr, zeros_like(%w)])
                                                  %h = dynamic_slice(%saved, n - 1 - %j)
                                                  … %g1, %gw1 = the derivative of tanh(matmul(%h, %w)) at %g
                                                [%gh0, %gw] = loop_end([%g1, %gw + %gw1])

An `if` is differentiated branch by branch. A `while`, and a loop whose trip count is only known at run time, are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torch.fx import traceback as fx_traceback
from torch.fx.experimental.proxy_tensor import make_fx

from ..mutation import remove_mutations
from .derivatives import (
    Body,
    Branch,
    IfDerivative,
    LoopDerivative,
    Slice,
    SliceDerivative,
    UpdateDerivative,
    differentiates,
    gradients_of,
    new_leaf,
    recorded_if,
    recorded_loop,
    scalar,
)
from .fission import split_accumulators
from .markers import ops
from .products import Products, is_product, products_of
from .prune import erase_dead
from .regions import Construct, constructs, parse, trip_count
from .structured import Runner, look_up


class NotDifferentiable(Exception):
    """Control flow that has no backward of this kind: what it is, and the user's `location`."""

    def __init__(self, why: str, node: Node) -> None:
        super().__init__(why)
        self.location: str = node.meta.get("location", "")


def backward_graph(
    graph_module: GraphModule, needed: Sequence[bool], checkpoint_steps: int = 0, joint: bool = False
) -> tuple[GraphModule, list[bool]]:
    """The gradients of `graph_module` (which has no in-place ops) as a graph.

    Its inputs are those of `graph_module` and the gradients of its floating-point results. Its results are the gradients
    of the `needed` inputs, those apart that no result depends on: the list says for each input if it has one.

    Args:
        needed: for each input if its gradient is wanted; only floating-point ones may be.
        checkpoint_steps: save only every k-th state of a loop and recompute those between; 0 saves all, and the products
            of each step.
        joint: the results of `graph_module` follow the gradients, and the graph gives up where that one does.

    Raises:
        NotDifferentiable: a `while`, or a trip count that depends on data, on the way of a gradient.
    """
    placeholders = [n for n in graph_module.graph.nodes if n.op == "placeholder"]
    results: Any = graph_module.graph.output_node().args[0]
    count, present = len(placeholders), list[bool]()
    differentiator = Differentiator(graph_module, checkpoint_steps, gives_up=joint)

    def gradients(*tensors: Tensor) -> list[Tensor]:
        with torch.enable_grad():
            leaves = [new_leaf(t, n) for t, n in zip(tensors[:count], needed, strict=True)]
            outputs = differentiator.run(leaves)
            floats = [o for o in outputs if o.is_floating_point()]
            found = gradients_of(floats, tensors[count:], [t for t, n in zip(leaves, needed, strict=True) if n])
        given = iter(found)
        present[:] = [n and next(given) is not None for n in needed]
        return [*(g for g in found if g is not None), *(o.detach() for o in outputs if joint)]

    examples = [n.meta["val"] for n in placeholders]
    with torch.no_grad(), fx_traceback.preserve_node_meta():
        for node in results:
            if (value := node.meta["val"]).is_floating_point():
                with value.fake_mode:
                    examples.append(torch.empty(value.shape, dtype=value.dtype, device=value.device))
        graph = make_fx(gradients, tracing_mode="fake", _allow_non_fake_inputs=True)(*examples)
    for node in graph.graph.nodes:
        node.meta["location"] = node.meta.get("stack_trace") or ""
    graph, _ = remove_mutations(graph)  # its inputs are written to by nobody
    erase_dead(graph)
    split_accumulators(graph)
    return graph, present


def why_not(graph_module: GraphModule) -> tuple[str, str]:
    """Why `backward_graph` may refuse the graph, and where; ('', '') if it will not."""
    for construct in constructs(parse(graph_module)):
        if construct.kind == "while" or (construct.kind == "loop" and trip_count(construct) is None):
            error = _refused(construct)
            return str(error), error.location
    return "", ""


def _refused(construct: Construct) -> NotDifferentiable:
    return NotDifferentiable(f"the number of steps of a {construct.kind} depends on data", construct.begin)


class Differentiator(Runner):
    """Runs a graph so that autograd goes through it while `make_fx` records: constructs are recorded, not run.

    Where no gradient goes through a construct it is recorded as it is.
    """

    def __init__(self, graph_module: GraphModule, checkpoint_steps: int, gives_up: bool) -> None:
        super().__init__(graph_module)
        self.checkpoint_steps = checkpoint_steps
        # The forward of a backward has not given up, or there would be no backward: only a joint graph's may.
        self.gives_up = gives_up
        # Of the step that runs or is differentiated now: what becomes of its products. None within inner constructs.
        self.products: Products | None = None
        self.trip_counts = {c.begin: trip_count(c) for c in constructs(self.items) if c.kind == "loop"}
        # Of the step that is being differentiated: slices of its leaves, by the id of the leaf.
        self.slices: list[dict[int, list[Slice]]] = [{}]

    def call(self, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        fx_traceback.set_stack_trace([node.meta.get("location", "")])
        if self.products is not None and is_product(node):
            return self.products(node.target, args, kwargs)
        return super().call(node, args, kwargs)

    def block(self, items: list[Node | Construct], values: dict[Node, Any]) -> None:
        for item in items:
            if isinstance(item, Construct):
                with self.using(None):
                    super().block([item], values)
            else:
                super().block([item], values)

    @contextmanager
    def using(self, products: Products | None) -> Iterator[None]:
        before, self.products = self.products, products
        try:
            yield
        finally:
            self.products = before

    def loop(self, construct: Construct, values: dict[Node, Any]) -> list[Tensor]:
        count, inits = look_up(construct.begin.args, values)
        nodes, captured = self.captured(construct, values)

        def body(index: Tensor, carried: Sequence[Tensor], captured: Sequence[Tensor]) -> Sequence[Tensor]:
            own: dict[Node, Any] = dict(zip(nodes, captured, strict=True))
            own[construct.begin] = [index, *carried]
            self.block(construct.bodies[0], own)
            return look_up(construct.end.args[0], own)  # type: ignore[union-attr]

        if not differentiates([*inits, *captured]):
            return recorded_loop(count, inits, lambda index, carried: body(index, carried, captured))
        steps = self.trip_counts[construct.begin]
        if steps is None:
            raise _refused(construct)
        if not self.checkpoint_steps:
            return self.steps(steps, inits, captured, body, products_of(construct.bodies[0]))
        return self.segments(steps, inits, captured, body)

    def segments(self, steps: int, inits: Sequence[Tensor], captured: Sequence[Tensor], body: Body) -> list[Tensor]:
        """With checkpoints: a loop over segments, each a loop itself, and one over the remaining steps."""
        size = self.checkpoint_steps
        if steps <= size:
            return self.steps(steps, inits, captured, body)

        def segment(number: Tensor, carried: Sequence[Tensor], captured: Sequence[Tensor]) -> Sequence[Tensor]:
            start = number * size
            return self.steps(size, carried, [*captured, start], lambda i, c, x: body(x[-1] + i, c, x[:-1]))

        whole, rest = divmod(steps, size)
        carried = self.steps(whole, inits, captured, segment)
        return self.steps(rest, carried, captured, lambda i, c, x: body(i + whole * size, c, x))

    def steps(
        self,
        steps: int,
        inits: Sequence[Tensor],
        captured: Sequence[Tensor],
        body: Body,
        products: Sequence[Tensor] = (),
    ) -> list[Tensor]:
        """The loop, which saves its carried values and what it computes like `products`."""
        if steps == 0:
            return list(inits)
        if not differentiates([*inits, *captured]):
            return recorded_loop(scalar(steps), inits, lambda index, carried: body(index, carried, captured))
        return list(LoopDerivative.apply(self, steps, len(inits), body, products, *inits, *captured))  # type: ignore[arg-type]

    def while_(self, construct: Construct, values: dict[Node, Any]) -> list[Tensor]:
        inits = look_up(construct.begin.args[0], values)
        if differentiates([*inits, *self.captured(construct, values)[1]]):
            raise _refused(construct)
        assert construct.part is not None and construct.end is not None
        values[construct.begin] = ops.while_begin(inits)
        self.block(construct.bodies[0], values)
        values[construct.part] = ops.while_cond(*look_up(construct.part.args, values))
        self.block(construct.bodies[1], values)
        return ops.while_end(look_up(construct.end.args[0], values))

    def if_(self, construct: Construct, values: dict[Node, Any]) -> list[Tensor]:
        assert construct.part is not None and construct.end is not None
        condition = look_up(construct.begin.args[0], values)
        nodes, captured = self.captured(construct, values)

        def branch(body: list[Node | Construct], yielded: Any) -> Branch:
            def run(captured: Sequence[Tensor]) -> list[Tensor | None]:
                own = dict(zip(nodes, captured, strict=True))
                self.block(body, own)
                return look_up(yielded, own)

            return run

        then = branch(construct.bodies[0], construct.part.args[0])
        otherwise = branch(construct.bodies[1], construct.end.args[0])
        if not differentiates(captured):
            return recorded_if(condition, lambda: then(captured), lambda: otherwise(captured))
        return list(IfDerivative.apply(self, condition, then, otherwise, *captured))  # type: ignore[arg-type]

    def captured(self, construct: Construct, values: dict[Node, Any]) -> tuple[list[Node], list[Tensor]]:
        """What the construct's regions use from outside, and its values."""
        nodes = list(construct.nodes())
        inside = set(nodes)
        found = dict.fromkeys(
            used for node in nodes if node is not construct.begin for used in node.all_input_nodes if used not in inside
        )
        for node in found:
            if not isinstance(values[node], Tensor):
                raise NotDifferentiable(f"a region takes apart the result of {node.target} from outside", node)
        return list(found), [values[n] for n in found]

    def dynamic_slice(self, x: Tensor, index: Tensor, dim: int, size: int) -> Tensor:
        if not differentiates([x]):
            return ops.dynamic_slice(x, index, dim, size)
        if id(x) not in self.slices[-1]:
            return SliceDerivative.apply(x, index, dim, size)  # type: ignore[return-value]
        # Its gradient is added in place to that of the leaf, instead of a tensor of the leaf's size with zeros around.
        part = new_leaf(ops.dynamic_slice(x.detach(), index, dim, size), True)
        self.slices[-1][id(x)].append(Slice(part, index, dim, size))
        return part

    def dynamic_update(self, x: Tensor, update: Tensor, index: Tensor, dim: int) -> Tensor:
        update = update.to(x.dtype)
        if not differentiates([x, update]):
            return ops.dynamic_update(x, update, index, dim)
        return UpdateDerivative.apply(x, update, index, dim)  # type: ignore[return-value]

    def bail(self, condition: Tensor, message: str) -> None:
        if self.gives_up:
            ops.bail(condition, message)

    def derivative(
        self, run: Callable[[], Sequence[Tensor | None]], leaves: Sequence[Tensor], gradients: Sequence[Tensor | None]
    ) -> tuple[list[Tensor | None], list[list[tuple[Slice, Tensor]]]]:
        """Run something that uses `leaves`, and give their gradients: of whole leaves, and of slices of each."""
        self.slices.append({id(leaf): [] for leaf in leaves})
        gives_up, self.gives_up = self.gives_up, False
        with torch.enable_grad():
            outputs = run()
        self.gives_up = gives_up
        slices = self.slices.pop()
        parts = [s for leaf in leaves for s in slices[id(leaf)]]
        found = gradients_of(outputs, gradients, [*leaves, *(s.part for s in parts)])
        of_part = {id(s): g for s, g in zip(parts, found[len(leaves) :], strict=True)}
        pieces = [[(s, g) for s in slices[id(leaf)] if (g := of_part[id(s)]) is not None] for leaf in leaves]
        return found[: len(leaves)], pieces
