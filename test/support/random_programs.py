"""Random PyTorch programs for property tests, built op by op while eager runs them.

A program is replayed on its inputs either in its own dtypes or, as reference, with every float in float64. Ops that
jump (comparisons, rounding, conversions to integers, argmax) only take values that are exact in every precision, and
ops whose result is large, not finite, or already far from the reference in eager are dropped, so that what is left can
be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from hypothesis import strategies as st

Draw = Callable[[Any], Any]
FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
INTEGERS = (torch.int64, torch.int32, torch.uint8)
_SIZES = (1, 2, 3, 5, 7, 8, 16, 17, 33)
_EPSILON = {torch.float64: 1e-12, torch.float32: 4e-6, torch.float16: 8e-3, torch.bfloat16: 6e-2}
_MAX_ELEMENTS = 6000


@dataclass
class Value:
    """A value as eager has it and in float64; `epsilon` is that of the least precise float it came from."""

    eager: torch.Tensor
    wide: torch.Tensor
    exact: bool
    epsilon: float

    @property
    def is_float(self) -> bool:
        return self.eager.is_floating_point()

    @property
    def is_bool(self) -> bool:
        return self.eager.dtype == torch.bool

    @property
    def shape(self) -> torch.Size:
        return self.eager.shape

    @property
    def jumps_allowed(self) -> bool:
        return not self.is_float or self.exact


@dataclass
class Step:
    """`function(*operands)`; `text` is for people. A float conversion is the identity in the reference."""

    text: str
    function: Callable[..., torch.Tensor]
    operands: tuple[int, ...]
    exact: bool = False
    wide: Callable[..., torch.Tensor] | None = None


@dataclass
class Program:
    inputs: list[Value] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    results: list[int] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)

    def __call__(self, *inputs: torch.Tensor) -> list[torch.Tensor]:
        found = list(inputs)
        for step in self.steps:
            found.append(step.function(*(found[i] for i in step.operands)))
        return [found[i] for i in self.results]

    def tensors(self) -> list[torch.Tensor]:
        return [v.eager for v in self.inputs]

    def expected(self) -> list[Value]:
        return [self.values[i] for i in self.results]

    def __repr__(self) -> str:
        lines = [
            f"v{i} = {str(v.eager.dtype)[6:]}{list(v.shape)} strides {v.eager.stride()}"
            for i, v in enumerate(self.inputs)
        ]
        for i, step in enumerate(self.steps, len(self.inputs)):
            lines.append(f"v{i} = {step.text}({', '.join(f'v{o}' for o in step.operands)})")
        return "\n" + "\n".join([*lines, "return " + ", ".join(f"v{i}" for i in self.results)])

    def add(self, step: Step) -> None:
        """Append the step if eager can do it and its result can be compared."""
        operands = [self.values[i] for i in step.operands]
        try:
            eager = step.function(*(v.eager for v in operands))
            wide = (step.wide or step.function)(*(v.wide for v in operands))
        except (RuntimeError, IndexError, ValueError, TypeError):
            return
        if eager.numel() > _MAX_ELEMENTS or eager.dim() > 5:
            return
        error = 0.0
        if eager.numel() and eager.dtype != torch.bool:
            top = eager.double().abs().max().item()
            if not top < (300.0 if eager.is_floating_point() else 1e6):
                return
            error = (eager.double() - wide.double()).abs().max().item()
            if not error <= 0.05 * max(1.0, top):
                return
        epsilon = max((v.epsilon for v in operands), default=0.0)
        if eager.is_floating_point():
            epsilon = max(epsilon, _EPSILON[eager.dtype])
        exact = step.exact and all(v.exact for v in operands) and error == 0.0
        self.steps.append(step)
        self.values.append(Value(eager, wide, exact, epsilon))


def _input(draw: Draw) -> Value:
    dtype = draw(st.sampled_from((torch.float32,) * 4 + FLOATS + INTEGERS + (torch.bool,)))
    sizes = st.sampled_from(_SIZES + (0,) if draw(st.integers(0, 9)) == 9 else _SIZES)
    shape = draw(st.lists(sizes, max_size=4))
    while torch.Size(shape).numel() > 2000:
        shape.pop()
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    layout = draw(st.sampled_from(["contiguous"] * 3 + ["transposed", "strided", "expanded"]))
    base = list(shape)
    if layout == "strided":
        base = [2 * s + 1 for s in shape]
    elif layout == "expanded" and shape:
        base[0] = min(1, shape[0])
    if dtype == torch.bool:
        x = torch.rand(base, generator=generator) > 0.5
    elif dtype.is_floating_point:
        x = (torch.randint(-12, 13, base, generator=generator) / 4).to(dtype)
    else:
        x = torch.randint(0 if dtype == torch.uint8 else -9, 10, base, generator=generator).to(dtype)
    if layout == "transposed":
        order = list(range(len(base)))[::-1]
        x = x.permute(order).contiguous().permute(order)
    elif layout == "strided":
        x = x[tuple(slice(1, 1 + 2 * s, 2) for s in shape)] if shape else x
    elif layout == "expanded":
        x = x.expand(shape)
    wide = x.double() if dtype.is_floating_point else x
    return Value(x, wide, True, _EPSILON.get(dtype, 0.0))


def _pick(draw: Draw, p: Program, accepts: Callable[[Value], bool]) -> int | None:
    candidates = [i for i, v in enumerate(p.values) if accepts(v)]
    if not candidates:
        return None
    recent = candidates[-3:]
    return draw(st.sampled_from(recent + candidates))


def _partner(draw: Draw, p: Program, first: int, accepts: Callable[[Value], bool]) -> int | None:
    """A value that broadcasts with value `first`."""

    def fits(v: Value) -> bool:
        try:
            torch.broadcast_shapes(v.shape, p.values[first].shape)
        except RuntimeError:
            return False
        return accepts(v)

    return _pick(draw, p, fits)


_SMOOTH: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "tanh": torch.tanh, "sigmoid": torch.sigmoid, "sin": torch.sin, "cos": torch.cos, "erf": torch.erf,
    "exp": lambda x: torch.exp(x.clamp(-3, 3)), "sqrt": lambda x: torch.sqrt(x.abs() + 0.5),
    "rsqrt": lambda x: torch.rsqrt(x.abs() + 0.5), "log1p": lambda x: torch.log1p(x.abs()),
    "log": lambda x: torch.log(x.abs() + 0.5), "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu, "reciprocal": lambda x: torch.reciprocal(x.abs() + 0.5), "atan": torch.atan,
    "softplus": F.softplus, "elu": F.elu, "hardswish": F.hardswish, "leaky": lambda x: F.leaky_relu(x, 0.1),
    "scale": lambda x: x * 0.3, "over": lambda x: 1.5 / (x.abs() + 1), "expm1": lambda x: torch.expm1(x.clamp(-3, 3)),
}  # fmt: skip
_EXACT_UNARY: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "neg": torch.neg, "abs": torch.abs, "relu": torch.relu, "square": torch.square, "add1": lambda x: x + 1,
    "rsub": lambda x: 2 - x, "twice": lambda x: x * 2, "half": lambda x: x + 0.5, "clamp": lambda x: x.clamp(-1, 2),
    "clone": torch.clone, "sign": torch.sign, "hardtanh": lambda x: F.hardtanh(x),
}  # fmt: skip
_JUMPING: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "floor": torch.floor, "ceil": torch.ceil, "round": torch.round, "trunc": torch.trunc, "sign": torch.sign,
    "gt0": lambda x: x > 0, "le1": lambda x: x <= 1, "ne0": lambda x: x != 0, "bool": lambda x: x.bool(),
    "int": lambda x: x.to(torch.int64), "int32": lambda x: x.to(torch.int32), "u8": lambda x: x.abs().to(torch.uint8),
    "not": torch.logical_not, "isnan": torch.isnan, "floordiv": lambda x: x // 2, "mod": lambda x: x % 3,
    "frac": torch.frac, "heaviside": lambda x: (x >= 0) * x,
}  # fmt: skip
_INTEGER: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "invert": lambda x: ~x, "floordiv": lambda x: x // 3, "mod": lambda x: x % 5, "and": lambda x: x & 6,
    "shift": lambda x: (x & 7) << 2, "shr": lambda x: x >> 1, "xor": lambda x: x ^ 5, "truediv": lambda x: x / 4,
    "square": lambda x: x * x, "remainder": lambda x: torch.fmod(x, 4), "pow": lambda x: (x % 4) ** 3,
}  # fmt: skip
_BINARY: dict[str, tuple[Callable[..., torch.Tensor], bool]] = {
    "add": (torch.add, True), "sub": (torch.sub, True), "mul": (torch.mul, True), "maximum": (torch.maximum, True),
    "minimum": (torch.minimum, True), "div": (lambda a, b: a / (b.abs() + 1), False),
    "add_alpha": (lambda a, b: torch.add(a, b, alpha=2), True), "lerp": (lambda a, b: torch.lerp(a, b, 0.25), False),
    "atan2": (lambda a, b: torch.atan2(a, b.abs() + 1), False), "addcmul": (lambda a, b: torch.addcmul(a, a, b), True),
}  # fmt: skip
_COMPARE = {"eq": torch.eq, "ne": torch.ne, "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge}
_BITWISE = {"and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b}


def _unary(draw: Draw, p: Program) -> Step | None:
    i = _pick(draw, p, lambda v: not v.is_bool)
    if i is None:
        return None
    v = p.values[i]
    kinds = ["exact"] + ["smooth"] * 2 * v.is_float + ["jump"] * v.jumps_allowed + ["integer"] * 2 * (not v.is_float)
    kind = draw(st.sampled_from(kinds))
    table = {"exact": _EXACT_UNARY, "smooth": _SMOOTH, "jump": _JUMPING, "integer": _INTEGER}[kind]
    name = draw(st.sampled_from(sorted(table)))
    return Step(name, table[name], (i,), exact=kind != "smooth")


def _binary(draw: Draw, p: Program) -> Step | None:
    i = _pick(draw, p, lambda v: True)
    kind = draw(st.sampled_from(["arithmetic"] * 3 + ["compare", "bitwise", "where", "scalar"]))
    assert i is not None
    if kind == "arithmetic":
        j = _partner(draw, p, i, lambda v: True)
        name = draw(st.sampled_from(sorted(_BINARY)))
        function, exact = _BINARY[name]
        return None if j is None else Step(name, function, (i, j), exact)
    if kind == "compare":
        i = _pick(draw, p, lambda v: v.jumps_allowed)
        j = None if i is None else _partner(draw, p, i, lambda v: v.jumps_allowed)
        name = draw(st.sampled_from(sorted(_COMPARE)))
        return None if i is None or j is None else Step(name, _COMPARE[name], (i, j), True)
    if kind == "bitwise":
        i = _pick(draw, p, lambda v: not v.is_float)
        j = None if i is None else _partner(draw, p, i, lambda v: not v.is_float)
        name = draw(st.sampled_from(sorted(_BITWISE)))
        return None if i is None or j is None else Step(name, _BITWISE[name], (i, j), True)
    if kind == "where":
        i = _pick(draw, p, lambda v: v.is_bool)
        j = None if i is None else _partner(draw, p, i, lambda v: True)
        if i is None or j is None:
            return None
        k = _partner(draw, p, j, lambda v: True)
        if k is None or draw(st.booleans()):
            return Step("where_scalar", lambda c, x: torch.where(c, x, 1.5), (i, j), True)
        return Step("where", torch.where, (i, j, k), True)
    number = draw(st.sampled_from([2, -3, 0.5, True]))
    name = draw(st.sampled_from(["add", "sub", "mul"]))
    function = getattr(torch, name)
    return Step(f"{name} {number}", lambda x: function(x, number), (i,), True)


def _convert(draw: Draw, p: Program) -> Step | None:
    i = _pick(draw, p, lambda v: True)
    assert i is not None
    dtype = draw(st.sampled_from(FLOATS + INTEGERS + (torch.bool,)))
    if dtype.is_floating_point:
        return Step(f"to {dtype}", lambda x: x.to(dtype), (i,), True, wide=lambda x: x.double())
    v = p.values[i]
    if not v.jumps_allowed or (dtype == torch.uint8 and v.is_float):  # undefined for negative numbers
        return None
    return Step(f"to {dtype}", lambda x: x.to(dtype), (i,), True)


def _reduction(draw: Draw, p: Program) -> Step | None:
    i = _pick(draw, p, lambda v: v.eager.dim() > 0)
    if i is None:
        return None
    v = p.values[i]
    dim = draw(st.integers(-v.eager.dim(), v.eager.dim() - 1))
    keep = draw(st.booleans())
    size = v.shape[dim]
    dims = (dim,) if draw(st.booleans()) else tuple(range(v.eager.dim()))
    table: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], bool]] = {
        "sum": (lambda x: x.sum(dims, keepdim=keep), True),
        "amax": (lambda x: x.amax(dims, keepdim=keep), True),
        "amin": (lambda x: x.amin(dims, keepdim=keep), True),
        "any": (lambda x: x.any(dim, keepdim=keep), True),
        "all": (lambda x: x.all(dim, keepdim=keep), True),
        "cumsum": (lambda x: x.cumsum(dim), True),
        "sum all": (lambda x: x.sum(), True),
        "max": (lambda x: x.max(dim, keepdim=keep).values, True),
    }
    if v.jumps_allowed:
        table["argmax"] = (lambda x: x.argmax(dim, keepdim=keep), True)
        table["argmin"] = (lambda x: x.argmin(dim, keepdim=keep), True)
    if v.is_float:
        table |= {
            "mean": (lambda x: x.mean(dims, keepdim=keep), False),
            "softmax": (lambda x: x.softmax(dim), False),
            "log_softmax": (lambda x: x.log_softmax(dim), False),
            "logsumexp": (lambda x: x.logsumexp(dim, keepdim=keep), False),
            "norm": (lambda x: (x.square().sum(dims, keepdim=keep) + 0.1).sqrt(), False),
            "layer_norm": (lambda x: F.layer_norm(x, x.shape[-1:], eps=0.1), False),
            "prod": (lambda x: x.tanh().prod(dim, keepdim=keep), False),
        }
        if size > 1:
            table["var"] = (lambda x: x.var(dim, keepdim=keep), False)
            table["std"] = (lambda x: (x.var(dims, keepdim=keep, correction=0) + 0.1).sqrt(), False)
    name = draw(st.sampled_from(sorted(table)))
    function, exact = table[name]
    return Step(f"{name} dim={dim} dims={dims} keepdim={keep}", function, (i,), exact)


def _factor(draw: Draw, elements: int) -> list[int]:
    shape: list[int] = []
    while elements > 1 and len(shape) < 3:
        d = draw(st.sampled_from([k for k in range(1, elements + 1) if elements % k == 0]))
        shape.append(d)
        elements //= d
    return [*shape, elements]


def _view(draw: Draw, p: Program) -> Step | None:
    i = _pick(draw, p, lambda v: True)
    assert i is not None
    x = p.values[i].eager
    rank = x.dim()
    simple = ["unsqueeze", "reshape", "flatten", "expand_new"]
    sized = ["permute", "slice", "flip", "pad", "select", "roll", "repeat", "tril", "chunk", "squeeze", "expand"]
    name = draw(st.sampled_from(simple + sized * (rank > 0)))
    dim = draw(st.integers(0, rank - 1)) if rank else 0
    if name == "permute":
        order = draw(st.permutations(range(rank)))
        return Step(f"permute {order}", lambda x: x.permute(order), (i,), True)
    if name == "unsqueeze":
        at = draw(st.integers(0, rank))
        return Step(f"unsqueeze {at}", lambda x: x.unsqueeze(at), (i,), True)
    if name == "reshape":
        if not x.numel():
            return None
        shape = _factor(draw, x.numel())
        return Step(f"reshape {shape}", lambda x: x.reshape(shape), (i,), True)
    if name == "flatten":
        return Step("flatten", lambda x: x.flatten(), (i,), True)
    if name == "squeeze":
        return Step(f"squeeze {dim}", lambda x: x.squeeze(dim), (i,), True)
    if name == "expand_new":
        return Step("expand 2 …", lambda x: x.expand(2, *x.shape), (i,), True)
    if name == "expand":
        shape = [draw(st.sampled_from([2, 3, 9])) if s == 1 else s for s in x.shape]
        return Step(f"expand {shape}", lambda x: x.expand(shape), (i,), True)
    if name == "slice":
        size = x.shape[dim]
        start, stop = draw(st.integers(-size, size)), draw(st.integers(-size, size + 1))
        step = draw(st.integers(1, 3))
        index = (slice(None),) * dim + (slice(start, stop, step),)
        return Step(f"[{dim}: {start}:{stop}:{step}]", lambda x: x[index], (i,), True)
    if name == "select":
        if not x.shape[dim]:
            return None
        at = draw(st.integers(-x.shape[dim], x.shape[dim] - 1))
        return Step(f"select {dim} {at}", lambda x: x.select(dim, at), (i,), True)
    if name == "flip":
        dims = draw(st.lists(st.integers(0, rank - 1), unique=True, min_size=1))
        return Step(f"flip {dims}", lambda x: x.flip(dims), (i,), True)
    if name == "pad":
        widths = draw(st.lists(st.integers(-1, 3), min_size=2, max_size=2))
        fill = draw(st.sampled_from([0, 1]))
        return Step(f"pad {widths} {fill}", lambda x: F.pad(x, widths, value=fill), (i,), True)
    if name == "roll":
        shift = draw(st.integers(-3, 3))
        return Step(f"roll {shift} {dim}", lambda x: x.roll(shift, dim), (i,), True)
    if name == "repeat":
        times = [1] * rank
        times[dim] = 2
        return Step(f"repeat {times}", lambda x: x.repeat(times), (i,), True)
    if name == "tril":
        diagonal = draw(st.integers(-1, 1))
        return Step(f"tril {diagonal}", lambda x: x.tril(diagonal), (i,), True)
    return Step(f"chunk {dim}", lambda x: x.chunk(2, dim)[-1], (i,), True)


def _join(draw: Draw, p: Program) -> Step | None:
    i = _pick(draw, p, lambda v: v.eager.dim() > 0)
    if i is None:
        return None
    shape = list(p.values[i].shape)
    dim = draw(st.integers(0, len(shape) - 1))

    def fits(v: Value) -> bool:
        other = list(v.shape)
        return len(other) == len(shape) and all(
            a == b for d, (a, b) in enumerate(zip(other, shape, strict=True)) if d != dim
        )

    others = [k for k in range(len(p.values)) if fits(p.values[k])]
    chosen = tuple(draw(st.lists(st.sampled_from(others), min_size=1, max_size=3)))
    if draw(st.booleans()):
        return Step(f"cat dim={dim}", lambda *xs: torch.cat(xs, dim), (i, *chosen), True)
    same = tuple(k for k in chosen if list(p.values[k].shape) == shape)
    at = draw(st.integers(0, len(shape)))
    return Step(f"stack dim={at}", lambda *xs: torch.stack(xs, at), (i, *same), True)


def _indexing(draw: Draw, p: Program) -> Step | None:
    i = _pick(draw, p, lambda v: v.eager.dim() > 0 and v.eager.numel() > 0)
    if i is None:
        return None
    shape = p.values[i].shape
    dim = draw(st.integers(0, len(shape) - 1))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    if draw(st.booleans()):
        picks = torch.randint(0, shape[dim], (draw(st.integers(1, 6)),), generator=generator)
        index = len(p.values)
        p.values.append(Value(picks, picks, True, 0.0))
        p.steps.append(Step(f"tensor({picks.tolist()})", lambda: picks.clone(), ()))
        return Step(f"index_select {dim}", lambda x, k: x.index_select(dim, k), (i, index), True)
    sizes = list(shape)
    sizes[dim] = draw(st.integers(1, 4))
    index = _pick(draw, p, lambda v: v.eager.dtype == torch.int64 and list(v.shape) == list(shape))
    if index is not None:
        size = shape[dim]
        return Step(f"gather {dim} modulo", lambda x, k: x.gather(dim, k % size), (i, index), True)
    numbers = torch.arange(torch.Size(sizes).numel()).reshape(sizes) % shape[dim]
    return Step(f"gather {dim} {sizes}", lambda x: x.gather(dim, numbers.clone()), (i,), True)


def _matmul(draw: Draw, p: Program) -> Step | None:
    i = _pick(draw, p, lambda v: v.is_float and v.eager.dim() > 0)
    if i is None:
        return None
    a = p.values[i]

    def fits(v: Value) -> bool:
        if v.eager.dtype != a.eager.dtype or v.eager.dim() == 0:
            return False
        try:
            torch.matmul(torch.empty(a.shape, device="meta"), torch.empty(v.shape, device="meta"))
        except RuntimeError:
            return False
        return True

    j = _pick(draw, p, fits)
    if j is not None and draw(st.integers(0, 3)):
        return Step("matmul", lambda x, y: torch.matmul(x, y) * 0.1, (i, j))
    if a.eager.dim() >= 2:
        return Step("gram", lambda x: torch.matmul(x, x.mT) * 0.1, (i,))
    return Step("outer", lambda x: torch.outer(x, x), (i,), True)


_KINDS = (_unary, _unary, _unary, _binary, _binary, _binary, _reduction, _reduction, _view, _view, _join, _indexing,
          _matmul, _convert)  # fmt: skip


@st.composite
def programs(draw: Draw, min_steps: int = 5, max_steps: int = 14) -> Program:
    p = Program()
    for _ in range(draw(st.integers(1, 3))):
        p.inputs.append(_input(draw))
    p.values.extend(p.inputs)
    for kind in draw(st.lists(st.sampled_from(_KINDS), min_size=min_steps, max_size=max_steps)):
        step = kind(draw, p)
        if step is not None:
            p.add(step)
    count = len(p.values)
    results: Sequence[int] = draw(st.lists(st.integers(0, count - 1), max_size=2))
    p.results = [count - 1, *results]
    return p
