"""Random programs that make views, write through them, change containers, and return what they like.

A program is grown statement by statement: each is run at once, on real tensors, and kept if it does not raise (a last one may).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

BREAK = 'print(end="")'  # where Dynamo ends a graph

HEADER = """import torch
import torch.nn.functional as F

G = torch.arange(12.0).reshape(3, 4) / 4
H = [torch.ones(4), torch.arange(3.0)]


"""

# Arguments: how each is made; later ones may be views of earlier ones.
ARGUMENTS = {
    "plain": "torch.arange(12.0).reshape(3, 4) / 8",
    "square": "torch.arange(9.0).reshape(3, 3) / 8 - 0.5",
    "row": "torch.arange(4.0) - 1.5",
    "transposed": "(torch.arange(12.0).reshape(4, 3) / 8).t()",
    "part": "(torch.arange(24.0).reshape(4, 6) / 8)[1:, 1:5]",
    "strided": "(torch.arange(24.0) / 8)[::2].view(3, 4)",
    "channels_last": "(torch.arange(36.0).reshape(2, 2, 3, 3) / 8).contiguous(memory_format=torch.channels_last)",
    "image": "torch.arange(36.0).reshape(2, 2, 3, 3) / 8",
    "integers": "torch.arange(12).reshape(3, 4)",
    "scalar": "torch.tensor(0.5)",
    "expanded": "torch.arange(4.0).expand(3, 4)",
    "list": "[torch.arange(4.0), torch.ones(3, 4)]",
    "dict": "{'k': torch.arange(4.0), 'l': [torch.ones(2, 2)]}",
    "wide": "torch.arange(12.0).reshape(3, 4).double()",
}
OF_EARLIER = ("{a}", "{a}[0]", "{a}[1:]", "{a}.t()", "{a}.view(-1)", "{a}.detach()", "{a}[..., :2]")

VIEWS = (
    "{t}[0]",
    "{t}[1:]",
    "{t}[:-1]",
    "{t}[:, 1]",
    "{t}[..., 0]",
    "{t}[..., ::2]",
    "{t}[:, 1:3]",
    "{t}.t()",
    "{t}.T",
    "{t}.mT",
    "{t}.transpose(0, -1)",
    "{t}.view(-1)",
    "{t}.reshape(-1)",
    "{t}.flatten()",
    "{t}.unsqueeze(0)",
    "{t}.squeeze()",
    "{t}.expand(2, *{t}.shape)",
    "{t}.diagonal()",
    "{t}.unbind(0)[-1]",
    "{t}.unbind(-1)[0]",
    "{t}.split(2)[0]",
    "{t}.chunk(2, -1)[1]",
    "{t}.detach()",
    "{t}.data",
    "{t}.contiguous()",
    "{t}.to(torch.float32)",
    "{t}.view({t}.shape)",
    "{t}.narrow(0, 0, 1)",
    "{t}.movedim(0, -1)",
    "{t}.swapaxes(0, 1)",
    "{t}.reshape({t}.shape)",
    "{t}[None]",
    "{t}[...]",
    "{t}.unflatten(-1, (2, -1))",
    "{t}.permute(*reversed(range({t}.dim())))",
    "{t}.tensor_split(2)[0]",
    "{t}.view_as({t})",
    "{t}.contiguous(memory_format=torch.channels_last)",
    "{t}.select(-1, 1)",
    "{t}.hsplit(2)[0]",
    "{t}.ravel()",
    "{t}[[0]]",
    "{t}.expand_as({u})",
    "{t}.float()",
    "{t}.type_as({u})",
    "{t}.cpu()",
    "{t}.squeeze(0)",
    "{t}[1]",
    "{t}[-1]",
)
STRIDED = (
    "{t}.as_strided((2, 2), (1, 2))",
    "{t}.as_strided((3,), (2,), 1)",
    "{t}.as_strided((2, 3), (3, 1))",
    "{t}.unfold(0, 2, 1)",
    "{t}.as_strided((3, 2), (1, 1))",
    "{t}.roll(1, 0).as_strided((4,), (1,))",
)
NEW = (
    "{t} + 1",
    "{t} * {u}",
    "torch.relu({t})",
    "{t}.clone()",
    "torch.cat([{t}, {t}])",
    "{t}.sum(0)",
    "torch.zeros_like({t})",
    "{t}.roll(1, 0)",
    "torch.stack([{t}, {t}])",
    "{t} @ {t}.mT",
    "{t}.max(0)[0]",
    "torch.where({t} > 0, {t}, {u})",
    "-{t}",
    "torch.tanh({t})",
    "{t}.mean(-1, keepdim=True)",
    "torch.empty({t}.shape).copy_({t})",
    "{t} - {u}",
    "{t}.softmax(-1)",
    "F.pad({t}, (1, 0))",
    "F.avg_pool2d({t}, 2)",
    "F.conv2d({t}, torch.ones(2, 2, 2, 2))",
    "{t}.t() + 1",
    "{t}.abs()",
    "{t}.transpose(0, -1) * 2",
    "torch.ones({t}.shape)",
    "{t}[{t} > 0].sum()",
    "{t}.cumsum(0)",
    "{t}.flip(0)",
    "{t} / 2",
    "torch.full({t}.shape, 2.0)",
    "torch.empty_like({t}).fill_(3)",
    "torch.tril({t})",
    "{t}.double()",
    "{t}.repeat(2, 1)",
    "torch.arange(4.0)",
    "F.layer_norm({t}, {t}.shape[-1:])",
    "F.linear({t}, torch.ones(2, {t}.shape[-1]))",
)
WRITES = (
    "{t} += 1",
    "{t}.mul_(2)",
    "{t}[0] = 5",
    "{t}[1:] = 2.5",
    "{t}[0] += 1",
    "{t}.copy_({u})",
    "{t}.zero_()",
    "{t} += {u}",
    "{t}[..., 0] = {u}.sum()",
    "torch.add({t}, 1, out={u})",
    "{t}.fill_(1.5)",
    "{t}[{t} > 1] = 0",
    "{t}.clamp_(max=1)",
    "{t}.transpose(0, -1).add_(1)",
    "torch.relu_({t})",
    "{t}[:] = {u}",
    "{t}[0] = {t}[1]",
    "{t} *= {t}",
    "{t}.view(-1)[1] = 7",
    "{t}.diagonal().add_(1)",
    "{t}.unbind(0)[0].add_(1)",
    "{t}.sub_({t}.mean())",
    "torch.mul({t}, {u}, out={t})",
    "{t}.detach().add_(1)",
    "{t}.data.mul_(2)",
    "{t}.flatten().add_(1)",
    "{t}[..., 1:] = {t}[..., 1:] * 2",
    "{t}.index_fill_(0, torch.tensor([0]), 3.0)",
    "{t}.t()[0] = 1",
    "F.relu({t}, inplace=True)",
    "{t}[None].add_(1)",
    "{t}.squeeze().add_(1)",
    "{t}.tril_()",
)
# A part of a new tensor: what comes out of a loop or branch has memory of its own size (docs/usage.md), so not in blocks.
STRIDED_NEW = ("({t} + 1).as_strided((2, 2), (2, 1))",)
OVERLAPS = (
    "{t}[1:] += {t}[:-1]",
    "{t}.expand(2, *{t}.shape).add_(1)",
    "{t}[1:] = {t}[:-1]",
    "{t}.copy_({t}.t())",
    "{t}[:2].add_({t}[1:3])",
    "{t}.as_strided((3, 2), (1, 1)).add_(1)",
    "{t}.as_strided((3, 2), (1, 1)).copy_({t}.sum().expand(3, 2))",
    "{t} += {t}.t()",
    "{t}.unfold(0, 2, 1).mul_(2)",
    "{t}[::2] += {t}[1::2]",
    "{t}.expand(2, *{t}.shape).zero_()",
    "{t}.as_strided((2, 2), (2, 1)).add_(1)",
    "torch.add({t}[1:], {t}[:-1], out={t}[1:])",
)
METADATA = (
    "{t}.unsqueeze_(0)",
    "{t}.t_()",
    "{t}.squeeze_()",
    "{t}.transpose_(0, -1)",
    "{t}.resize_(2, 2).fill_(1)",
    "{t}.set_({u})",
    "{t}.data = {u}",
    "{t}.as_strided_((2, 2), (1, 2))",
    "{t}.detach_()",
    "{t}.requires_grad_(False)",
    "{t}.swapdims_(0, 1)",
    "torch.add({t}, {t}, out=torch.empty(0))",
    "torch.mul({t}, {t}, out={u})",
    "torch.cat([{t}, {t}], out=torch.empty(0))",
    "{t}.resize_as_({u}).fill_(2)",
)
VALUES = (
    "{t}.stride()",
    "{t}.storage_offset()",
    "{t}.is_contiguous()",
    "{t} is {u}",
    "{t}.shape",
    "{t}.dim()",
    "{t}.dtype",
    "{t}.data_ptr() == {u}.data_ptr()",
    "{t}.requires_grad",
    "{t}.is_contiguous(memory_format=torch.channels_last)",
)
CONTAINERS = (
    "[{t}, {u}]",
    "({t}, [{u}])",
    "{{'a': {t}, 'b': ({u},)}}",
    "[]",
    "[{l}, {t}]",
    "{l}",
    "({l}, {l})",
    "list({l})",
    "{t}.split(1)",
    "{t}.unbind(0)",
    "{t}.chunk(2)",
)
# What a block does to a container that was there before, and other names for one.
ALTERATIONS = (
    "{l}[0] = {t}",
    "{l}[0] = {t} * 2",
    "{l}[-1] = {l}[-1] + 1",
    "{l}.append({t} * 2)",
    "{l}.insert(0, {t})",
    "{l}.reverse()",
    "{l}.extend({m})",
    "{l}['k'] = {t} - 1",
    "{l} += [{t}]",
)
NAMINGS = ("{l} = {m}", "{l} = [{t}, {u}]", "{l} = [{t}]", "{l} = {m}; {t} = {l}[0]", "{l} = [{m}, {t}]")
CONDITIONS = (
    "{t}.sum() > 0",
    "c > 0",
    "{t}.mean() > {u}.mean()",
    "c.item() > 1",
    "{t}.dim() > 1",
    "{t}.is_contiguous()",
)
COUNTS = ("2", "3", "int(c)", "int(c) + 1", "{t}.shape[0]")
RETURNS = (
    "{t}",
    "{t}, {u}",
    "[{t}, {u}]",
    "{t}, {u}, {t}",
    "{{'a': {t}, 'b': [{u}, {l}]}}",
    "{l}",
    "{l}, {t}, {l}",
    "({t}, ({u}, {t})), {l}",
    "{t}[0]",
    "{t}, {t}[1:]",
    "{t}, {u}, {w}",
    "{t}.view(-1), {u}",
    "[{t}], [{t}], {w}",
    "{t} if {n} else {u}",
    "{t}, {n}",
    "{l}, {l}",
)


@dataclass
class Program:
    """Source text in parts: `arguments` are expressions, `body` are statements of one or more lines, `result` an expression."""

    arguments: list[str]
    body: list[str]
    result: str
    names: list[str] = field(default_factory=list)

    def text(self) -> str:
        names = [f"a{i}" for i in range(len(self.arguments))]
        lines = [line for statement in self.body for line in statement.split("\n")]
        body = "\n".join(f"    {line}" for line in lines)
        return f"{HEADER}def program({', '.join([*names, 'c'])}):\n{body}\n    return {self.result}\n"

    def make_arguments(self, c: float) -> list[Any]:
        """New arguments, aliases of one another as the program says."""
        made: dict[str, Any] = {}
        for i, expression in enumerate(self.arguments):
            made[f"a{i}"] = eval(expression, {"torch": torch}, made)
        return [*made.values(), torch.tensor(c)]

    def show(self) -> str:
        return self.text() + "".join(f"# a{i} = {a}\n" for i, a in enumerate(self.arguments))


def generate(seed: int) -> Program:
    """The program with this number."""
    while True:
        found = _Generator(random.Random(seed)).program()
        if found is not None:
            return found
        seed += 1_000_003


class _Generator:
    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.count = 0

    def program(self) -> Program | None:
        draw = self.draw
        arguments: list[str] = []
        for i in range(draw.choice((1, 1, 2, 2, 3))):
            if i and draw.random() < 0.2:
                arguments.append(draw.choice(OF_EARLIER).format(a=f"a{draw.randrange(i)}"))
            else:
                arguments.append(ARGUMENTS[draw.choice(list(ARGUMENTS))])
        program = Program(arguments, [], "None")
        try:
            values = program.make_arguments(1.0)
        except (RuntimeError, LookupError, AttributeError, TypeError):
            return None
        self.env: dict[str, Any] = {f"a{i}": v for i, v in enumerate(values[:-1])} | {"c": values[-1]}
        exec(HEADER, self.env)
        for name, value in list(self.env.items()):
            if isinstance(value, (list, dict)) and name[0] == "a":
                for part in ("[0]", "[1]", "['k']"):
                    self.try_statement(f"v{self.count} = {name}{part}", program.body)
        breaks = draw.random() < 0.15
        for _ in range(draw.randint(2, 8)):
            statement = self.statement(2)
            if breaks and draw.random() < 0.3:
                statement = BREAK
            if statement and not self.try_statement(statement, program.body) and draw.random() < 0.01:
                program.body.append(statement)  # eager raises
                break
        for _ in range(20):
            result = self.filled(draw.choice(RETURNS))
            if result is None:
                continue
            try:
                eval(result, self.env)
            except Exception:
                continue
            program.result = result
            return program
        return None

    def try_statement(self, statement: str, body: list[str]) -> bool:
        try:
            exec(statement, self.env)
        except Exception:
            return False
        self.count += 1
        body.append(statement)
        return True

    def of(self, wanted: Callable[[Any], bool]) -> str | None:
        found = [n for n, v in self.env.items() if wanted(v) and n != "c" and not n.startswith("_")]
        # later names more often: they are views of the earlier ones
        return self.draw.choice([*found, *found[-3:]]) if found else None

    def filled(self, template: str) -> str | None:
        tensor = lambda v: isinstance(v, torch.Tensor)  # noqa: E731
        container = lambda v: isinstance(v, (list, dict, tuple)) and not isinstance(v, torch.Size)  # noqa: E731
        number = lambda v: isinstance(v, (bool, int, torch.Size))  # noqa: E731
        names = {}
        for key, wanted in (
            ("t", tensor),
            ("u", tensor),
            ("w", tensor),
            ("l", container),
            ("m", container),
            ("n", number),
        ):
            if "{" + key + "}" in template:
                names[key] = self.of(wanted)
                if names[key] is None:
                    return None
        return template.format(**names)

    def new_name(self) -> str:
        names = [n for n in self.env if n[0] == "v"]
        return self.draw.choice(names) if names and self.draw.random() < 0.15 else f"v{self.count}"

    def statement(self, depth: int) -> str | None:
        draw = self.draw
        kind = draw.choices(
            (
                "view",
                "new",
                "write",
                "strided",
                "overlap",
                "metadata",
                "value",
                "container",
                "append",
                "rebind",
                "if",
                "for",
                "while",
                "pick",
            ),
            (30, 14, 26, 3, 2, 4, 3, 6, 5, 4, 7, 5, 1, 3) if depth else (30, 14, 26, 2, 1, 2, 2, 5, 5, 6, 0, 0, 0, 0),
        )[0]
        pools = {
            "view": VIEWS,
            "new": NEW,
            "strided": STRIDED + STRIDED_NEW * (depth > 1),
            "value": VALUES,
            "container": CONTAINERS,
        }
        if kind in pools:
            expression = self.filled(draw.choice(pools[kind]))
            return expression and f"{self.new_name()} = {expression}"
        if kind in ("write", "overlap", "metadata"):
            return self.filled(draw.choice({"write": WRITES, "overlap": OVERLAPS, "metadata": METADATA}[kind]))
        if kind == "append":
            return self.filled(draw.choice(("{l}.append({t})", *ALTERATIONS)))
        if kind == "pick":
            name, condition = self.new_name(), self.filled(draw.choice(CONDITIONS))
            then, other = (self.filled(draw.choice(("{l}", "{l}", "[{t}]", "[{t}, {l}]"))) for _ in range(2))
            return condition and then and other and f"if {condition}:\n    {name} = {then}\nelse:\n    {name} = {other}"
        if kind == "rebind":
            return self.filled(draw.choice(("{t} = {u}", "{t}, {u} = {u}, {t}", "{t} = {u}[0]")))
        return self.block(kind, depth)

    def block(self, kind: str, depth: int) -> str | None:
        draw = self.draw

        def lines(count: int) -> list[str]:
            found = []
            for _ in range(count):
                statement = self.inner(depth - 1)
                found += ["    " + line for line in (statement or "pass").split("\n")]
            return found

        if kind == "if":
            head = self.filled(f"if {draw.choice(CONDITIONS)}:")
            other = ["else:", *lines(draw.randint(1, 2))] if draw.random() < 0.6 else []
        elif kind == "for":
            head = self.filled(f"for i in range({draw.choice(COUNTS)}):")
            other = []
        else:
            return "\n".join(["n = 0", "while n < int(c):", *lines(draw.randint(1, 2)), "    n += 1"])
        return head and "\n".join([head, *lines(draw.randint(1, 2)), *other])

    def inner(self, depth: int) -> str | None:
        """A statement of a block: most assign or write to what was there before."""
        draw = self.draw
        if draw.random() < 0.15:
            return self.filled(draw.choice((*ALTERATIONS, *NAMINGS, *NAMINGS)))
        roll = draw.random()
        if roll < 0.35:
            expression = self.filled(draw.choice((*NEW[:10], *VIEWS[:8])))
            name = self.of(lambda v: isinstance(v, torch.Tensor))
            return expression and name and f"{name} = {expression}"
        if roll < 0.5:
            return self.filled(
                draw.choice(
                    (
                        "{t}[i % {t}.shape[0]] += 1",
                        "{t} += i",
                        "{l}.append({t} + i)",
                        "{t} = {t} + i",
                        "{t}[i] = {u}.sum()",
                    )
                )
            )
        return self.statement(depth)
