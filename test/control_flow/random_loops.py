"""Random programs of nested loops and branches, as source text.

The state is two 0-d int64 tensors (a, b), a 0-d float (f), two float vectors of 3 (v, w), and a Python int and float (k, p).
Floats are kept multiples of 1/8 below 16, and integers below 17, so that every operation is exact and results, and with
them the way that a program takes, are equal to the bit whoever computes them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from hypothesis import strategies as st

HEADER = '''"""A random program."""

import torch


def ints(x):
    return x % 17


def eighths(x):
    return torch.clamp(torch.floor(x * 8) / 8, -16, 16)


def program(a, b, f, v, w):
    k, p, items = 3, 0.5, []
'''
RESULT = "a, b, f, v, w, k, p, torch.stack([v, *items]).sum(0)"
EXCHANGED = "# exchanged"
# Calls take these as (a, b, f, v, w); one signature for all.
INPUTS = (
    (3, 10, 1.5, (1.0, -2.0, 0.5), (0.0, 0.0, 0.0)),
    (0, 0, 0.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    (16, 1, -7.25, (-1.0, 3.5, 8.0), (-4.0, 2.0, 0.125)),
)


@dataclass
class Source:
    text: str

    @property
    def is_free(self) -> bool:
        """Whether it appends, or exchanges vectors that it writes to, wherever that may be."""
        return "items.append" in self.text or EXCHANGED in self.text

    def __repr__(self) -> str:
        return f"\n{self.text}"


class Writer:
    """Draws one program. `loop_variables` are in scope; `inside` says whether `break` and `continue` may stand here.

    The vectors get new tensors ("assigned"), or change in place ("updated"), or both, under two names too ("mixed", which
    may have to run eagerly).
    """

    def __init__(self, draw: st.DrawFn, statements: int) -> None:
        self.draw = draw
        self.left = statements
        self.lines: list[str] = []
        self.numbers = itertools.count()
        self.loop_variables: list[str] = []
        self.appends = draw(st.integers(0, 3)) == 0
        self.vectors = draw(st.sampled_from(["assigned", "assigned", "updated", "updated", "mixed"]))

    def pick(self, *choices: str) -> str:
        return self.draw(st.sampled_from(choices))

    def number(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    # ---- expressions ----

    def int_value(self) -> str:
        return self.pick("a", "b", "k", str(self.number(0, 9)), *self.loop_variables, *self.loop_variables)

    def int_expression(self) -> str:
        operator = self.pick("+", "-", "*", "+", "//", "%")
        right = str(self.number(1, 5)) if operator in ("//", "%") else self.int_value()
        return f"({self.int_value()} {operator} {right})"

    def float_value(self) -> str:
        vector = self.pick("v", "w")
        return self.pick(
            "f", "p", f"{vector}[{self.index()}]", f"{vector}.sum()", f"{vector}.max()", "0.5", self.int_value()
        )

    def index(self) -> str:
        return self.pick("0", "1", "2", "-1", *(f"{name} % 3" for name in self.loop_variables), "k % 3")

    def float_expression(self) -> str:
        return f"{self.float_value()} {self.pick('+', '-', '*')} {self.float_value()}"

    def vector_expression(self) -> str:
        left = self.pick("v", "w", "v.flip(0)", "torch.abs(w)", "torch.where(v > w, v, w)", "torch.stack([f, f, f])")
        return f"{left} {self.pick('+', '-', '*')} {self.pick('v', 'w', self.float_value())}"

    def condition(self, nested: int = 2) -> str:
        kind = self.pick("int", "int", "float", "vector", "python", "not", "and", "or")
        if nested and kind == "not":
            return f"not ({self.condition(nested - 1)})"
        if nested and kind in ("and", "or"):
            return f"({self.condition(nested - 1)} {kind} {self.condition(nested - 1)})"
        compare = self.pick("<", ">", "==", "!=", "<=")
        if kind == "float":
            return f"{self.pick('f', 'v.sum()', 'w[0]')} {self.pick('<', '>')} {self.float_value()}"
        if kind == "vector":
            return f"(v {self.pick('<', '>')} w).{self.pick('any', 'all')}()"
        if kind == "python":
            return f"{self.pick('k', *self.loop_variables)} {compare} {self.number(0, 9)}"
        return f"{self.pick('a', 'b')} {compare} {self.int_value()}"

    # ---- statements ----

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def block(self, depth: int, inside: bool, most: int = 4) -> None:
        for _ in range(self.number(1, most)):
            self.statement(depth, inside)

    def statement(self, depth: int, inside: bool) -> None:
        self.left -= 1
        kinds = ["int", "float", "vector", "python"]
        kinds += [] if self.vectors == "assigned" else ["element", "in place"]
        kinds += ["swap"] if self.vectors == "updated" else []
        kinds += ["append"] if self.appends else []
        if self.left > 0 and depth < 4:
            kinds += ["for", "for", "while", "if", "if"]
        if self.left > 0 and inside:
            kinds += ["leave"]
        getattr(self, "write_" + self.draw(st.sampled_from(kinds)).replace(" ", "_"))(depth, inside)

    def write_int(self, depth: int, inside: bool) -> None:
        self.line(depth, f"{self.pick('a', 'b')} = ints({self.pick('a', 'b')} + {self.int_expression()})")

    def write_float(self, depth: int, inside: bool) -> None:
        self.line(depth, f"f = eighths(f * 0.5 + ({self.float_expression()}))")

    def write_vector(self, depth: int, inside: bool) -> None:
        target, value = self.pick("v", "w"), f"eighths({self.vector_expression()})"
        if self.vectors == "updated":
            self.line(depth, f"{target}.copy_({value})")
            return
        aliases = ["v = w"] if self.vectors == "mixed" else []
        self.line(depth, self.pick(f"{target} = {value}", "v, w = w, v", "w = v.clone()", *aliases))

    def write_swap(self, depth: int, inside: bool) -> None:
        """Write into one vector what the other holds, and exchange them."""
        a, b = self.pick("v w", "w v").split()
        self.line(depth, f"{a}[1:] = eighths({b}[:-1] * 0.5 + {self.number(0, 3)})")
        self.line(depth, f"v, w = w, v  {EXCHANGED}")

    def write_append(self, depth: int, inside: bool) -> None:
        """Append in both branches."""
        self.line(depth, f"if {self.condition(1)}:")
        self.line(depth + 1, "items.append(v + 1)")
        self.line(depth, "else:")
        self.line(depth + 1, f"items.append({self.pick('w', 'v * 2', 'w - v')})")

    def write_python(self, depth: int, inside: bool) -> None:
        self.line(depth, self.pick("k += 1", f"k = (k * 2 + {self.number(0, 5)}) % 17", "p = p * 0.5 + 1", "p = -p"))

    def write_element(self, depth: int, inside: bool) -> None:
        self.line(depth, f"{self.pick('v', 'w')}[{self.index()}] = {self.pick('f', 'p', 'a', '2.0')}")

    def write_in_place(self, depth: int, inside: bool) -> None:
        target = self.pick("v", "w")
        self.line(depth, self.pick(f"{target} += {self.number(1, 3)}", f"{target}.mul_(-1)", f"{target}[1:].add_(0.5)"))

    def write_if(self, depth: int, inside: bool) -> None:
        self.line(depth, f"if {self.condition()}:")
        self.block(depth + 1, inside, 3)
        if self.draw(st.booleans()):
            self.line(depth, f"elif {self.condition()}:")
            self.block(depth + 1, inside, 2)
        if self.draw(st.booleans()):
            self.line(depth, "else:")
            self.block(depth + 1, inside, 3)

    def write_leave(self, depth: int, inside: bool) -> None:
        self.line(depth, f"if {self.condition()}:")
        self.line(depth + 1, self.pick("break", "continue", f"return {RESULT}"))

    def write_for(self, depth: int, inside: bool) -> None:
        name = f"i{next(self.numbers)}"
        source = self.pick(
            f"range({self.number(0, 5)})", "range(a % 4)", "range(b % 5)", "range(1, 8, 3)", "range(3, -1, -1)"
        )
        self.line(depth, f"for {name} in {source}:")
        self.loop_variables.append(name)
        self.block(depth + 1, True)
        self.loop_variables.pop()
        self.write_loop_else(depth, inside)

    def write_while(self, depth: int, inside: bool) -> None:
        """A `while` with a counter, so that it ends."""
        name = f"n{next(self.numbers)}"
        self.line(depth, f"{name} = 0")
        self.line(depth, f"while {name} < {self.number(0, 6)} and {self.condition(1)}:")
        self.line(depth + 1, f"{name} += 1")
        self.loop_variables.append(name)
        self.block(depth + 1, True)
        self.loop_variables.pop()
        self.write_loop_else(depth, inside)

    def write_loop_else(self, depth: int, inside: bool) -> None:
        if self.number(0, 4) == 0:
            self.line(depth, "else:")
            self.block(depth + 1, inside, 1)


@st.composite
def sources(draw: st.DrawFn, statements: int = 14) -> Source:
    writer = Writer(draw, statements)
    draw(st.sampled_from([writer.write_for, writer.write_while]))(1, False)
    writer.block(1, False)
    return Source(HEADER + "\n".join(writer.lines) + f"\n    return {RESULT}\n")
