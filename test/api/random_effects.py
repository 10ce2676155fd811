"""Random programs with effects: what is changed, where, and how, by chance; run eagerly and compiled, and compared.

`python test/api/random_effects.py 1000 [first seed]` tries as many.
"""

from __future__ import annotations

import random
import re
import sys
import tempfile
import textwrap
from pathlib import Path

import torch
from effect_programs import compare, ran_eagerly

PRELUDE = """
N, M, W = 0, 1.5, None
HIST, NUMS, TODO = [], [1, 2, 3], list(range(40, 0, -1))
D, OD = {"a": 1, "n": 0}, collections.OrderedDict(x=1)
T = {1, 2}
Q = collections.deque(maxlen=3)
S = State(n=0, h=None, k=2, inner=State(n=0, log=[]))
IT = itertools.count()


class Config:
    scale = 2
    calls = 0


class Cell:
    made = 0

    def __init__(self, v):
        Cell.made += 1
        self.v = v
        self.uses = 0

    def __call__(self, y):
        self.uses += 1
        return y + self.v

    def __add__(self, other):
        LOG.append("add")
        return Cell(self.v + other)

    @property
    def twice(self):
        self.uses += 2
        return self.v * 2


LOG = []
OUTER = Cell(1)


def make():
    count = 0
    last = None

    def step(y):
        nonlocal count, last
        count += 1
        last = y
        LOG.append(count)
        return y + 1

    return step


STEP = make()


def helper(y, k=1):
    HIST.append(k)
    helper.calls = getattr(helper, "calls", 0) + 1
    return y * k


def gen(y):
    for i in range(2):
        LOG.append(i)
        yield y + i
    print("end of gen")


@contextlib.contextmanager
def managed(k):
    LOG.append("in")
    yield k
    LOG.append("out")
"""

SIMPLE = [
    "N += 1",
    "M = y.mean().item()",
    "N = N + K",
    "W = y",
    "W = [y, {{'k': y}}]",
    "HIST.append(y.sum())",
    "HIST.append({{'n': K, 'y': y}})",
    "HIST.append(K)",
    "NUMS.extend([K, K + 1])",
    "NUMS.insert(0, K)",
    "NUMS[0] = K",
    "NUMS.reverse()",
    "NUMS += [K]",
    "y = y * TODO.pop()",
    "TODO.pop(0)",
    "D['a'] = y",
    "D['n'] += K",
    "D.update(b=K, c=y)",
    "D.pop('b', None)",
    "y = y + D.setdefault('z', K)",
    "OD['k'] = K",
    "OD.move_to_end('x')",
    "T.add(K)",
    "T.discard(K)",
    "Q.append(K)",
    "Q.appendleft(y.sum())",
    "S.n += 1",
    "S.h = y",
    "S.h = y * K",
    "S.k = S.k + K",
    "y = y * S.k",
    "S.inner.n += K",
    "S.inner.log.append(S.n)",
    "S.extra = (y, K)",
    "setattr(S, 'set', K)",
    "Config.calls += 1",
    "Config.scale = K",
    "y = y * Config.scale",
    "Config.last = y",
    "print('p', K)",
    "print(N)",
    "print('sum', y.shape)",
    "LOGGER.info('info %d', K)",
    "LOGGER.debug('debug')",
    "warnings.warn('w')",
    "y = STEP(y)",
    "y = helper(y, K)",
    "y = helper(helper(y))",
    "y = OUTER(y)",
    "y = y + OUTER.twice",
    "y = Cell(y)(y)",
    "OUTER.v = K",
    "c = OUTER + K\ny = y + c.v",
    "for z in gen(y):\n    y = y + z * 0.1",
    "y = sum(gen(y))",
    "y = y + 1",
    "y = torch.tanh(y)",
    "y = y * 2 - S.n",
    "local = [y]\nlocal.append(K)\nS.local = local\nlocal.append(y)",
    "y = y + len(HIST)",
    "y = y + len(NUMS)",
    "y = y * (K if K in T else 2)",
    "y = y + NUMS[-1]",
    "del D['a']\nD['a'] = K",
    "S.gone = 1\ndel S.gone",
    "y = y + next(IT)",
    "y = y + sum(v for v in NUMS if v > 1)",
    "with managed(K) as q:\n    y = y + q",
    "y = y * next(iter([K, 2]))",
    "x += 1",
    "y = sorted([K, 3], key=note)[0] + y",
    "if TODO:\n    TODO.clear()\n    TODO.extend([K, 2, 3])",
    "S.cells = [Cell(K), Cell(y)]",
    "LOG.append(tuple(NUMS))",
    "D['f'] = K / 2",
]
BLOCKS = [
    "for i in range(K):\n{body}",
    "if K > 1:\n{body}\nelse:\n    y = y - 1",
    "for k in ('a', 'b'):\n{body}\n    D[k] = K",
    "if y.sum() > 2:\n{body}\nelse:\n    y = y * 0.5",
    "for row in y:\n{body}\n    y = y + row * 0.1",
    "turns = 0\nwhile y.sum() > 9 and turns < 4:\n    turns += 1\n    y = y - 1\n{body}",
    "try:\n{body}\nexcept KeyError:\n    LOG.append('except')\nfinally:\n    LOG.append('finally')",
    "with managed(K):\n{body}",
    "def inner(y):\n{body}\n    return y\ny = inner(y)",
]
GLOBALS = "global N, M, W, NUMS, TODO, D, OD, T"


def program(seed: int) -> str:
    """The text of a program."""
    chance = random.Random(seed)

    def numbered(text: str) -> str:
        return re.sub(r"\bK\b", str(chance.randint(1, 3)), text)

    def simple() -> str:
        return numbered(chance.choice(SIMPLE).replace("{{", "{").replace("}}", "}"))

    def block(depth: int) -> str:
        statements = []
        for _ in range(chance.randint(1, 3 if depth else 5)):
            if depth < 2 and chance.random() < 0.15 + 0.1 * (depth == 0):
                inner = textwrap.indent(block(depth + 1), "    ")
                text = chance.choice(BLOCKS)
                if "def inner" in text:
                    inner = f"    {GLOBALS}\n    x = y * 1\n{inner}"
                statements.append(numbered(text).replace("{body}", inner))
            else:
                statements.append(simple())
        return "\n".join(statements)

    body = f"{GLOBALS}\ny = x * 1\n{block(0)}\nreturn {chance.choice(['y', 'y', 'y + x', '(y, S.n)', '[y, W]'])}"
    note = "\n\ndef note(v):\n    LOG.append(v)\n    return -v\n"
    return f"{PRELUDE}{note}\n\ndef program(x):\n{textwrap.indent(body, '    ')}\n"


def check(seed: int, directory: Path) -> tuple[int, int]:
    """Compare one program; returns how many signatures there are, and how many of them run eagerly."""
    text = program(seed)
    try:
        compiled = compare(text, directory, calls=3)
    except BaseException as error:
        error.add_note(f"seed {seed}:\n{text[text.index('def program') :]}")
        raise
    eager = ran_eagerly(compiled)
    return len(eager), sum(eager)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    wrong, total, eager = 0, 0, 0
    with tempfile.TemporaryDirectory() as name:
        for seed in range(first, first + count):
            try:
                signatures, as_is = check(seed, Path(name))
                total, eager = total + signatures, eager + as_is
            except Exception as error:
                wrong += 1
                print(f"{type(error).__name__}: {error}\n" + "\n".join(getattr(error, "__notes__", ())))
    print(f"{count} programs, {wrong} wrong; {total} signatures, {eager} run eagerly")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
