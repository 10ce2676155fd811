"""Elements of lists, dicts, sets, tuples, deques and arrays that change between calls, wherever the container stands."""

from __future__ import annotations

import pytest
from support.twins import Check, Quiet

# Where a container may stand: the program that holds it, and the expression that edits find it by.
PLACES = {
    "global": ("C = {value}\n{rest}\ndef f(x):\n{body}\n", "C"),
    "closure": (
        "{rest}\ndef make():\n    C = {value}\n    def f(x):\n{inner}\n    return f, C\nf, box = make()\n",
        "box",
    ),
    "attribute": (
        "class Holder: pass\nholder = Holder()\nholder.c = {value}\n{rest}\ndef f(x):\n    C = holder.c\n{body}\n",
        "holder.c",
    ),
    "class attribute": ("class Holder:\n    c = {value}\n{rest}\ndef f(x):\n    C = Holder.c\n{body}\n", "Holder.c"),
    "default": ("START = {value}\n{rest}\ndef f(x, C=START):\n{body}\n", "START"),
    "module attribute": (
        "import torch\nclass Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.c = {value}\n    def forward(self, x):\n        C = self.c\n{inner}\nnet = Net()\n{rest}\n"
        "def f(x):\n    return net(x)\n",
        "net.c",
    ),
    "partial": (
        "import functools\nSTART = {value}\n{rest}\ndef g(C, x):\n{body}\nf = functools.partial(g, START)\n",
        "START",
    ),
    "element of a list": ("ALL = [0, {value}]\n{rest}\ndef f(x):\n    C = ALL[1]\n{body}\n", "ALL[1]"),
    "value of a dict": ("ALL = dict(a={value})\n{rest}\ndef f(x):\n    C = ALL['a']\n{body}\n", "ALL['a']"),
    "element of a tuple": ("ALL = (0, {value})\n{rest}\ndef f(x):\n    C = ALL[1]\n{body}\n", "ALL[1]"),
}


def program(place: str, value: str, body: str, rest: str = "") -> str:
    lines = body.strip().splitlines()
    fill = {"body": "    ", "inner": "        "}
    return PLACES[place][0].format(
        value=value, rest=rest, **{name: "\n".join(indent + line for line in lines) for name, indent in fill.items()}
    )


@pytest.mark.parametrize("place", PLACES)
def test_dict_value(check: Check, place: str) -> None:
    source = program(
        place, "{'k': 2.0, 'other': 1, 'deep': {'a': [1.0, 2.0]}}", "return x * C['k'] + C['deep']['a'][0]"
    )
    c = PLACES[place][1]
    check(
        source,
        f"{c}['k'] = 5.0",
        Quiet(f"{c}['other'] = 5.0"),
        Quiet(f"{c}['new'] = 5.0"),
        Quiet(f"del {c}['other']"),
        f"{c}['deep']['a'][0] = 3.0",
        Quiet(f"{c}['k'] = float('5.0')"),
        f"{c}['deep'] = {{'a': (7.0,)}}",
        f"{c}.update(k=6)",
        f"del {c}['k']",
        f"{c}['k'] = 5.0",
    )


@pytest.mark.parametrize("place", PLACES)
def test_list_elements(check: Check, place: str) -> None:
    source = program(place, "[2.0, 3.0, [1.0]]", "return x * C[0] + C[-1][0]")
    c = PLACES[place][1]
    check(
        source,
        f"{c}[0] = 5.0",
        f"{c}[-1][0] = 4.0",
        f"{c}.append([9.0])",
        f"{c}.reverse()",
        f"{c}.clear()",
        f"{c}.extend([1.0, [2.0]])",
    )


@pytest.mark.parametrize("place", PLACES)
def test_iterated_list(check: Check, place: str) -> None:
    source = program(place, "[2.0, 3.0]", "for c in C:\n    x = x * c\nreturn x + len(C)")
    c = PLACES[place][1]
    check(source, f"{c}.append(0.5)", f"{c}.pop(0)", f"{c}[0] = 7.0", f"{c}.sort()", f"{c}.clear()")


@pytest.mark.parametrize("place", PLACES)
def test_iterated_dict(check: Check, place: str) -> None:
    body = "for key, value in C.items():\n    x = x * value + len(key)\nreturn x + len(C)"
    c = PLACES[place][1]
    check(
        program(place, "{'a': 2.0, 'bb': 3.0}", body),
        f"{c}['a'] = 4.0",
        f"{c}['a'] = {c}.pop('a')",
        f"{c}['ccc'] = 1.0",
        f"del {c}['bb']",
        f"{c}.clear()",
    )


DICT_READS = {
    "get": "return x * C.get('late', 2.0)",
    "get without default": "return x if C.get('late') is None else x * C.get('late')",
    "in": "return x * 3 if 'late' in C else x + 1",
    "not in": "return x * 3 if 'late' not in C else x + 1",
    "len": "return x * len(C)",
    "bool": "return x * 3 if C else x + 1",
    "keys": "return x * len([k for k in C.keys() if k > 'b'])",
    "values": "return x * sum(v for v in C.values() if v is not None)",
    "list of keys": "return x * len(sorted(C)[-1])",
    "try": "try:\n    return x * C['late']\nexcept KeyError:\n    return x + 1",
    "equality": "return x * 3 if C == {'a': 1.0, 'late': 4.0} else x + 1",
    "copy": "D = dict(C)\nD['more'] = 1.0\nreturn x * sum(D.values())",
    "unpacked": "D = {**C, 'more': 1.0}\nreturn x * sum(D.values())",
    "keywords": "return g(x, **C)",
    "setdefault of a copy": "return x * C.copy().setdefault('late', 9.0)",
    "comprehension": "return x * sum([v for k, v in C.items() if k != 'a'])",
    "max": "return x * max(C.values())",
    "first": "return x * next(iter(C.values()))",
    "zip": "for a, b in zip(C, C.values()):\n    x = x * b + len(a)\nreturn x",
    "enumerate": "for i, key in enumerate(C):\n    x = x * C[key] + i\nreturn x",
    "reversed": "for key in reversed(C):\n    x = x * 2 + C[key]\nreturn x",
    "format": "return x * len(f'{C}')",
    "union": "return x * sum((C | {'z': 2.0}).values())",
}


@pytest.mark.parametrize("read", DICT_READS)
def test_ways_to_read_a_dict(check: Check, read: str) -> None:
    rest = "def g(x, a=0.0, late=2.0, **others):\n    return x * a + late + len(others)\n"
    check(
        program("global", "{'a': 1.0}", DICT_READS[read], rest),
        "C['late'] = 4.0",
        "C['late'] = 5.0",
        "C['zzz'] = 1.0",
        "del C['late']",
        "C['a'], C['late'] = 3.0, 4.0",
        "C.clear()",
    )


LIST_READS = {
    "slice": "return x * sum(C[1:])",
    "in": "return x * 3 if 4.0 in C else x + 1",
    "len": "return x * len(C)",
    "bool": "return x * 3 if C else x + 1",
    "index": "return x * C.index(4.0)",
    "count": "return x * C.count(4.0)",
    "equality": "return x * 3 if C == [1.0, 4.0] else x + 1",
    "sum": "return x * sum(C)",
    "max": "return x * max(C)",
    "sorted": "return x * sorted(C)[0]",
    "tuple": "return x * tuple(C)[0]",
    "star": "a, *rest = C\nreturn x * a + sum(rest)",
    "arguments": "return g(x, *C)",
    "unpacked": "return x * [*C, 2.0][0]",
    "unpacking": "a, b = C\nreturn x * a + b",
    "concatenated": "return x * sum(C + [1.0])",
    "repeated": "return x * sum(C * 2)",
    "try": "try:\n    return x * C[2]\nexcept IndexError:\n    return x + 1",
    "zip": "for a, b in zip(C, C[1:]):\n    x = x * a + b\nreturn x",
    "any": "return x * 3 if any(c > 3 for c in C) else x + 1",
    "map": "return x * sum(map(abs, C))",
    "comprehension": "return x * len([c for c in C if c > 2])",
    "tensor": "return x[:, :2] * torch.tensor(C[:1])",
    "iterator": "it = iter(C)\nreturn x * next(it) + next(it, 7.0)",
    "reversed": "for c in reversed(C):\n    x = x * 2 + c\nreturn x",
    "copy": "D = C.copy()\nD.append(1.0)\nreturn x * sum(D)",
}


@pytest.mark.parametrize("read", LIST_READS)
def test_ways_to_read_a_list(check: Check, read: str) -> None:
    rest = "import torch\ndef g(x, *numbers):\n    return x * sum(numbers) + len(numbers)\n"
    check(
        program("global", "[1.0]", LIST_READS[read], rest),
        "C.append(4.0)",
        "C[0] = -2.0",
        "C.insert(0, 3.0)",
        "C.reverse()",
        "del C[1:]",
        "C[0] = 4",
        "C.clear()",
        eager=read == "tensor",
    )


@pytest.mark.parametrize("place", ["global", "attribute", "module attribute"])
def test_sets(check: Check, place: str) -> None:
    c = PLACES[place][1]
    check(
        program(
            place, "{'a'}", "x = x * len(C)\nif 'b' in C:\n    x = x + 2\nreturn x - sum(len(s) for s in sorted(C))"
        ),
        f"{c}.add('b')",
        f"{c}.add('ccc')",
        f"{c}.discard('a')",
        f"{c}.clear()",
    )


def test_set_membership_alone(check: Check) -> None:
    check(
        "SKIP = {1, 2}\ndef f(x):\n    for i in range(4):\n        if i not in SKIP:\n            x = x * 2 + i\n    return x\n",
        "SKIP.add(3)",
        "SKIP.remove(1)",
        "SKIP = frozenset({0})",
        "SKIP = [0, 1]",
    )


@pytest.mark.parametrize(
    ("value", "edits"),
    [
        (
            "collections.OrderedDict(a=2.0, b=3.0)",
            ["C['a'] = 4.0", "C.move_to_end('a')", "C['c'] = 1.0", "C.popitem()"],
        ),
        (
            "collections.defaultdict(float, a=2.0)",
            ["C['a'] = 4.0", "C['b'] = 3.0", "C.clear()", "C.default_factory = int"],
        ),
        ("collections.Counter('aab')", ["C['a'] = 4", "C['c'] = 3", "C.update('ccc')", "C.clear()"]),
        ("collections.ChainMap({'a': 2.0}, {'b': 3.0})", ["C.maps[1]['b'] = 4.0", "C['b'] = 5.0", "C.maps.pop(0)"]),
        ("collections.UserDict(a=2.0)", ["C['a'] = 4.0", "C['b'] = 3.0", "C.data = {'z': 2.0}"]),
        ("types.MappingProxyType(INNER)", ["INNER['a'] = 4.0", "INNER['c'] = 4.0", "INNER.clear()"]),
        ("Table(a=2.0)", ["C['a'] = 4.0", "C['b'] = 4.0", "del C['a']", "Table.keys = lambda self: ['b']"]),
    ],
)
def test_mappings(check: Check, value: str, edits: list[str]) -> None:
    rest = "import collections, types\nINNER = {'a': 2.0}\nclass Table(dict):\n    pass\n"
    body = "for key in C.keys():\n    x = x * C[key] + len(key)\nreturn x + C.get('b', 7.0) + len(C)"
    check(
        f"{rest}C = {value}\ndef f(x):\n" + "".join(f"    {line}\n" for line in body.splitlines()), *edits, eager=True
    )


@pytest.mark.parametrize(
    ("value", "edits"),
    [
        ("collections.deque([2.0, 3.0])", ["C[0] = 4.0", "C.append(5.0)", "C.rotate(1)", "C.popleft()", "C.clear()"]),
        ("collections.UserList([2.0, 3.0])", ["C[0] = 4.0", "C.append(5.0)", "C.data = [1.0]"]),
        ("Items([2.0, 3.0])", ["C[0] = 4.0", "C.append(5.0)", "Items.__len__ = lambda self: 7", "del Items.__len__"]),
        ("array.array('d', [2.0, 3.0])", ["C[0] = 4.0", "C.append(5.0)", "C.pop()"]),
        ("bytearray(b'ab')", ["C[0] = 4", "C.append(5)", "C.clear()"]),
        ("memoryview(INNER)", ["INNER[0] = 4", "INNER[1] = 9"]),
        ("numpy.array([2.0, 3.0])", ["C[0] = 4.0", "C += 1", "C = numpy.array([1.0])", "C[:] = 7"]),
        ("range(1, 3)", ["C = range(1, 4)", "C = [1, 2]"]),
    ],
)
def test_sequences(check: Check, value: str, edits: list[str]) -> None:
    rest = "import array, collections, numpy\nINNER = bytearray(b'ab')\nclass Items(list):\n    pass\n"
    body = "for c in C:\n    x = x * float(c)\nreturn x + len(C)"
    check(
        f"{rest}C = {value}\ndef f(x):\n" + "".join(f"    {line}\n" for line in body.splitlines()), *edits, eager=True
    )


def test_numpy_scalar_and_array(check: Check) -> None:
    check(
        """
        import numpy, torch
        A, S = numpy.array([[2.0, 3.0]]), numpy.float64(2.0)
        def f(x):
            return x * float(A[0, 1]) + float(S) + torch.from_numpy(A).sum() + torch.tensor(A).sum() + A.shape[1]
        """,
        "A[0, 1] = 5.0",
        "S = numpy.float64(3.0)",
        "A = numpy.array([[1.0, 2.0, 3.0]])",
        "A.resize((1, 4), refcheck=False)",
        eager=True,
    )


def test_tuple_of_lists(check: Check) -> None:
    check(
        "T = ([2.0], ({'a': [3.0]},))\ndef f(x):\n    return x * T[0][0] + T[1][0]['a'][0]\n",
        "T[0][0] = 4.0",
        "T[1][0]['a'][0] = 5.0",
        "T[1][0]['a'] = [6.0]",
        Quiet("T[1][0]['b'] = [6.0]"),
        "T[0].clear()",
    )


def test_namedtuple_and_enum(check: Check) -> None:
    check(
        """
        import collections, enum
        P = collections.namedtuple("P", "a b")
        class Mode(enum.Enum):
            ONE = 1.0
            TWO = 2.0
        p, mode = P(2.0, [3.0]), Mode.ONE
        def f(x):
            if mode is Mode.TWO:
                x = x * 5
            return x * p.a + p.b[0] + mode.value
        """,
        "p.b[0] = 4.0",
        "p = p._replace(a=5.0)",
        "mode = Mode.TWO",
        "Mode.TWO._value_ = 9.0",
        Quiet("mode = Mode['TWO']"),
    )


def test_list_of_dicts_of_lists(check: Check) -> None:
    check(
        """
        GROUPS = [{"lr": 0.1, "ks": [1.0, 2.0]}, {"lr": 0.2, "ks": []}]
        def f(x):
            for group in GROUPS:
                for k in group["ks"]:
                    x = x - group["lr"] * k
            return x
        """,
        "GROUPS[0]['lr'] = 0.5",
        "GROUPS[1]['ks'].append(3.0)",
        "GROUPS[1]['lr'] = 0.7",
        "GROUPS.reverse()",
        "GROUPS.pop()",
        "GROUPS[0] = {'lr': 1.0, 'ks': (4.0,)}",
    )


def test_one_list_under_two_names(check: Check) -> None:
    """`is` between containers is read too."""
    check(
        """
        A = [2.0]
        B = A
        def f(x):
            return x * 3 + B[0] if A is B else x * B[0]
        """,
        "A[0] = 4.0",
        "B = [4.0]",
        "B = A",
        "A = list(A)",
    )


def test_an_argument_that_is_also_a_global(check: Check) -> None:
    check(
        """
        KEPT = None
        def f(x):
            return x * 2 if KEPT is None else x + KEPT
        """,
        "import torch; KEPT = torch.randn(3, 4)",
        "KEPT = torch.randn(4)",
        "KEPT = None",
    )


def test_keys_of_many_kinds(check: Check) -> None:
    check(
        """
        class Key: pass
        key, items = Key(), ("a", 1)
        C = {1: 2.0, None: 3.0, ("a", 1): 4.0, key: 5.0, 2.5: 6.0, Key: 7.0, b"b": 8.0}
        def f(x):
            return x * C[1] + C[None] + C[items] * C[key] - C[2.5] + C[Key] * C[b"b"]
        """,
        "C[True] = 3.0",
        "C[None] = 1.0",
        "C['a', 1] = 2.0",
        "C[key] = 9.0",
        "key = Key(); C[key] = 1.5",
        "C[2.5] = 0.5",
        "items = 1",
        Quiet("C['unread'] = 0"),
    )


def test_not_a_number_is_equal_to_itself_here(check: Check) -> None:
    """A value that is unlike itself must not be compiled anew in each call."""
    twins = check(
        """
        K = [float("nan")]
        def f(x):
            return x * K[0] + 1
        """,
        Quiet("OTHER = 1"),
        "K[0] = 2.0",
        "K[0] = float('nan')",
    )
    assert len(twins.entries) <= 3


def test_large_containers(check: Check) -> None:
    check(
        """
        BIG = list(range(5000))
        TABLE = {i: float(i) for i in range(5000)}
        def f(x):
            return x * BIG[4000] + TABLE[3000] + len(BIG)
        """,
        "BIG[4000] = 1",
        "TABLE[3000] = 1.0",
        "BIG.pop()",
        Quiet("TABLE[17] = None"),
    )


def test_results_do_not_share_the_program_s_containers(check: Check) -> None:
    """What a call returns of a container is what eager returns of it at that time."""
    check(
        """
        C = {"a": [1.0, 2.0]}
        def f(x):
            return x * 2, len(C), list(C["a"]), C["a"][0]
        """,
        "C['a'][0] = 5.0",
        "C['a'].append(3.0)",
        "C['b'] = 1",
    )
