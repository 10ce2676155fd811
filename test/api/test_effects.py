"""Effects happen at each call, as often and in the order as in eager."""

from __future__ import annotations

import re
import textwrap
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from effect_programs import compare, load, ran_eagerly

import jic
from jic.errors import FallbackError

# What is done again after each run: name -> module-level text, and the body of `program(x)`.
REPLAYED: dict[str, tuple[str, str]] = {
    "attribute": ("S = State(n=0)", "S.n += 1\nreturn x + S.n"),
    "attribute_of_tensor": ("S = State(h=None)", "S.h = x * 2\nreturn S.h + 1"),
    "attribute_that_is_carried": ("S = State(h=torch.zeros(2, 3))", "S.h = S.h * 0.5 + x\nreturn S.h.sum()"),
    "nested_attribute": ("S = State(stats=State(count=0))", "S.stats.count += 2\nreturn x * S.stats.count"),
    "deleted_attribute": ("S = State(a=1)", "S.a = x\ndel S.a\nS.a = 5\nreturn x + 1"),
    "attribute_that_comes_and_goes": ("S = State()", "S.gone = 1\ndel S.gone\nreturn x + 1"),
    "class_attribute": ("class Counter:\n    n = 0", "Counter.n += 1\nreturn x * Counter.n"),
    "setattr_on_class": ("class Counter:\n    n = 0", "setattr(Counter, 'n', Counter.n + 2)\nreturn x"),
    "class_through_type": ("class Counter:\n    n = 0\nC = Counter()", "type(C).n = 7\nreturn x + 1"),
    "function_attribute": ("", "program.n = getattr(program, 'n', 0) + 1\nreturn x + program.n"),
    "module_attribute": ("import sys\nCOUNT = 0", "sys.modules[__name__].COUNT = 3\nreturn x + 1"),
    "global": ("N = 0", "global N\nN += 1\nreturn x + N"),
    "global_tensor": ("LAST = None", "global LAST\nLAST = x.sum()\nreturn x + 1"),
    "deleted_global": ("N = 0", "global N\nN = 1\ndel N\nN = 4\nreturn x"),
    "list_append": ("HIST = []", "HIST.append(x.sum())\nreturn x + 1"),
    "list_of_tensors_in_a_dict": ("HIST = []", "y = x * 2\nHIST.append({'loss': y, 'step': 1})\nreturn y"),
    "list_methods": (
        "L = [3, 1, 2, 2, 2]",
        "global L\nL.sort()\nL.insert(9, 8)\nL.extend([5, 6])\nL.remove(2)\nL.pop()\nL.reverse()\nL += [1]\nreturn x * len(L)",
    ),
    "list_clear": ("L = [3, 1, 2]", "L.clear()\nL.append(x)\nreturn x + 1"),
    "list_item": ("L = [0, 0]", "L[1] = x.sum()\nreturn x"),
    "list_slice": ("L = [0, 0]", "L[:1] = [x, 2]\ndel L[-1]\nreturn x"),
    "list_read_and_written": ("L = []", "L.append(1)\nreturn x * len(L)"),
    "list_of_numbers_popped": ("L = [5, 6, 7, 8]", "return x * L.pop()"),
    "list_of_tensors_popped": ("L = [torch.full((3,), float(i)) for i in range(5)]", "return x * L.pop(0)"),
    "dict_item": ("D = {}", "D['last'] = x * 2\nD['n'] = 3\nreturn x"),
    "dict_item_counted": ("D = {'n': 0}", "D['n'] += 1\nreturn x + D['n']"),
    "dict_methods": (
        "D = {'a': 1, 'b': 2}",
        "D.update(c=x.sum(), a=3)\nD.pop('b', None)\nD.setdefault('d', []).append(x)\ndel D['a']\nreturn x",
    ),
    "ordered_and_default_dicts": (
        "D = collections.OrderedDict(a=1)\nE = collections.defaultdict(int)\nC = collections.Counter()",
        "D['b'] = x\nD.move_to_end('a')\nE['k'] = E['k'] + 1\nC.update(['a', 'b', 'a'])\nreturn x + E['k']",
    ),
    "set_methods": ("T = {1, 2}", "global T\nT.add(5)\nT.discard(2)\nT |= {7}\nreturn x + 1"),
    "deque": ("Q = collections.deque(maxlen=2)", "Q.append(x.sum())\nQ.appendleft(1)\nreturn x + 1"),
    "heap": ("H = [3, 5]", "heapq.heappush(H, 1)\nreturn x + 1"),
    "print": ("", "print('step', 3, sep='-', end='!\\n')\nreturn x + 1"),
    "print_of_tensor": ("", "y = x + 1\nprint(y, y.shape, [y.sum(), 2])\ny += 1\nreturn y"),
    "print_of_number": ("", "print(int(x.sum()))\nreturn x + 1"),
    "print_in_order": ("L = []", "print(1)\nL.append(x)\nprint(2)\nS = None\nreturn x"),
    "logging": ("", "LOGGER.info('value %d', 3)\nLOGGER.debug('no')\nLOGGER.warning('sum %s', x.sum())\nreturn x"),
    "logging_in_a_helper": ("def helper(n):\n    LOGGER.log(30, 'in %s', n)", "helper(2)\nreturn x"),
    "warning": ("", "warnings.warn('careful')\nwarnings.warn('old', DeprecationWarning)\nreturn x + 1"),
    "queue": ("Q = queue.Queue()", "Q.put(x.sum())\nQ.put_nowait({'n': 1})\nreturn x"),
    "file": ("import io\nF = io.StringIO()\nclass Seen:\n    text = ''", "n = F.write('line')\nreturn x * n"),
    "helper_with_effects": (
        "L = []\ndef note(v):\n    L.append(v)\n    return v * 2",
        "return note(x) + note(x + 1)",
    ),
    "nonlocal_of_outer": (
        "def make():\n    n = 0\n    def step(x):\n        nonlocal n\n        n += 1\n        return x + n\n"
        "    return step\nstep = make()",
        "return step(x)",
    ),
    "cached_object": ("S = State()", "c = [x, x + 1]\nS.c = c\nS.d = c\nreturn c"),
    "object_made_inside": (
        "@dataclasses.dataclass\nclass Pair:\n    a: object\n    b: int = 2\nS = State()",
        "p = Pair(x * 2)\nS.p = p\nS.q = [p, p]\np.b = 5\nreturn p.a",
    ),
    "user_constructor": (
        "class Counter:\n    made = 0\n    def __init__(self, v):\n        Counter.made += 1\n        self.v = v",
        "return Counter(x).v * 2 + Counter(1).v",
    ),
    "post_init": (
        "L = []\n@dataclasses.dataclass\nclass Thing:\n    v: object\n    w: list = dataclasses.field(default_factory=list)\n"
        "    def __post_init__(self):\n        L.append(1)",
        "t = Thing(x)\nt.w.append(2)\nreturn t.v * len(t.w)",
    ),
    "call_method": (
        "class Step:\n    n = 0\n    def __call__(self, v):\n        self.n += 1\n        return v + 1\nC = Step()",
        "return C(C(x))",
    ),
    "item_methods": (
        "class Store:\n    def __init__(self):\n        self.d = {}\n        self.reads = 0\n"
        "    def __getitem__(self, k):\n        self.reads += 1\n        return self.d[k]\n"
        "    def __setitem__(self, k, v):\n        self.d[k] = v\n"
        "    def __len__(self):\n        return 4\n"
        "    def __contains__(self, k):\n        self.reads += 10\n        return k in self.d\nC = Store()",
        "C['a'] = x\ny = C['a'] * len(C)\nreturn y if 'a' in C else x",
    ),
    "operator_methods": (
        "L = []\nclass V:\n    def __init__(self, v):\n        self.v = v\n"
        "    def __add__(self, o):\n        L.append('add')\n        return V(self.v + o.v)\n"
        "    def __rmul__(self, k):\n        L.append('rmul')\n        return V(self.v * k)\n"
        "    def __neg__(self):\n        L.append('neg')\n        return V(-self.v)\n"
        "    def __eq__(self, o):\n        L.append('eq')\n        return False",
        "a = 2 * V(x) + -V(x + 1)\nreturn a.v if a != V(x) else x",
    ),
    "context_manager": (
        "L = []\nclass M:\n    def __enter__(self):\n        L.append('in')\n        return 2\n"
        "    def __exit__(self, *a):\n        L.append('out')",
        "with M() as k:\n    y = x * k\nreturn y",
    ),
    "context_manager_of_generator": (
        "L = []\n@contextlib.contextmanager\ndef managed(k):\n    L.append('in')\n    yield k * 2\n    L.append('out')",
        "with managed(3) as k:\n    y = x * k\nreturn y",
    ),
    "iterable_object": (
        "class It:\n    n = 0\n    def __iter__(self):\n        self.n += 1\n        return iter([1, 2, 3])\nC = It()",
        "for k in C:\n    x = x * k\nreturn x",
    ),
    "iterator_object": (
        "class It:\n    def __init__(self):\n        self.n = 0\n    def __iter__(self):\n        return self\n"
        "    def __next__(self):\n        self.n += 1\n        if self.n % 4 == 0:\n            raise StopIteration\n"
        "        return self.n\nC = It()",
        "for k in C:\n    x = x + k\nreturn x",
    ),
    "property_setter": (
        "class P:\n    def __init__(self):\n        self.log = []\n        self._v = 0\n"
        "    @property\n    def v(self):\n        self.log.append('get')\n        return self._v\n"
        "    @v.setter\n    def v(self, new):\n        self.log.append('set')\n        self._v = new\nC = P()",
        "C.v = x\nreturn C.v + 1",
    ),
    "setattr_method": (
        "class P:\n    def __setattr__(self, n, v):\n"
        "        super().__setattr__(n, v)\n        super().__setattr__('last', n)\nC = P()",
        "C.a = x\nreturn x + 1",
    ),
    "getattr_method": (
        "L = []\nclass P:\n    def __getattr__(self, n):\n        L.append(n)\n        return 3\nC = P()",
        "return x * C.anything",
    ),
    "generator_with_effects": (
        "L = []\ndef gen(x):\n    for i in range(3):\n        L.append(i)\n        yield x * i",
        "for y in gen(x):\n    L.append('out')\n    x = x + y\nreturn x",
    ),
    "generator_with_print": ("def gen():\n    print('start')\n    yield 1\n    print('end')", "return x * sum(gen())"),
    "match_with_effects": (
        "S = State(n=0)\ndef pick(how, x):\n"
        "    match how:\n        case 'a':\n            S.n = 4\n            return x + 1\n    return x",
        "return pick('a', x)",
    ),
    "class_definition_with_effects": (
        "L = []\ndef make(x):\n    class A:\n        L.append('body')\n        k = 2\n    return x * A.k",
        "return make(x)",
    ),
    "callback": (
        "L = []\ndef f(v):\n    L.append(1)\n    return -v",
        "return x * sorted([1, 2, 3], key=f)[0] * sum(map(f, [1, 2]))",
    ),
    "reduce_callback": (
        "L = []\ndef f(a, b):\n    L.append(b)\n    return a + b",
        "return x * functools.reduce(f, [1, 2, 3])",
    ),
    "module_counter": (
        "class Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.n = 0\n        self.hist = []\n"
        "    def forward(self, x):\n        self.n += 1\n        self.hist.append(x.mean())\n        return x * self.n\n"
        "NET = torch.nn.Sequential(Net(), Net())",
        "return NET(x)",
    ),
    "forward_hook": (
        "ACTS = []\nNET = torch.nn.Sequential(torch.nn.Identity(), torch.nn.ReLU())\n"
        "NET[1].register_forward_hook(lambda m, i, o: ACTS.append(o))\n"
        "NET[0].register_forward_pre_hook(lambda m, i: (i[0] * 2,))",
        "return NET(x)",
    ),
    "training_mode": ("NET = torch.nn.Dropout(0.5)\nNET.train()", "NET.eval()\nreturn NET(x)"),
    "branch_that_assigns": (
        "S = State(a=0.0)",
        "if x.sum() > 3:\n    S.a = x.sum()\nelse:\n    S.a = x.mean()\nreturn x",
    ),
    "loop_that_counts": ("S = State(h=torch.zeros(3))", "for row in x:\n    S.h = S.h * 0.5 + row\nreturn S.h + 1"),
    "effect_before_a_raise": ("L = []", "L.append(1)\nprint('x')\nraise ValueError('no')"),
    "restored_attribute": ("S = State(k=3)", "old = S.k\nS.k = 5\ny = x * S.k\nS.k = old\nreturn y"),
    "unrolled_prints": ("", "for s in ['a', 'b']:\n    print(s)\nreturn x + 1"),
    "itertools_inside": ("", "c = itertools.count()\nreturn x * next(c) + next(c)"),
}
# What makes the call eager, or one loop of it.
EAGER: dict[str, tuple[str, str]] = {
    "next_of_count": ("C = itertools.count()", "return x + next(C)  # here"),
    "next_of_generator": ("G = (i for i in range(9))", "return x + next(G)  # here"),
    "for_over_iterator": ("G = iter([1, 2, 3, 4])", "for k in G:  # here\n    x = x + k\n    break\nreturn x"),
    "zip_of_iterator": ("G = iter([1, 2, 3, 4])", "for k, r in zip(G, [x, x]):  # here\n    x = x + k * r\nreturn x"),
    "list_of_iterator": ("G = iter([1, 2, 3, 4])", "return x * len(list(G))  # here"),
    "in_iterator": ("G = iter([1, 2, 3, 4])", "return x * (2 in G)  # here"),
    "sum_of_iterator": ("G = iter([1, 2, 3, 4])", "return x * sum(G)  # here"),
    "iterator_unpacked": ("G = iter([1, 2, 3, 4])", "a, *b = G  # here\nreturn x * a + len(b)"),
    "iterator_kept_by_attribute": ("S = State(c=itertools.cycle([1, 2, 3]))", "return x + next(S.c)  # here"),
    "file_lines": ("import io\nF = io.StringIO('1\\n2\\n3\\n')", "return x + int(next(F))  # here"),
    "returned_generator": ("def gen(x):\n    yield x\n    yield x + 1", "return list(gen(x)), gen(x)"),
    "stored_generator": ("S = State()\ndef gen(x):\n    yield x", "S.g = gen(x)\nreturn x + 1"),
    "stored_function": ("S = State()", "S.f = lambda: x\nreturn x + 1"),
    "monotonic_counter": ("CLOCK = itertools.count().__next__", "return x + CLOCK()  # here"),
    "open_file": ("", "with open(os.devnull) as f:  # here\n    return x + len(f.read())"),
    "print_of_object": (
        "class P:\n    def __repr__(self):\n        return 'P!'\nC = P()",
        "print(C)  # here\nreturn x + 1",
    ),
    "print_of_container": ("L = [1]", "print(L)  # here\nL.append(2)\nreturn x"),
    "text_of_tensor": ("", "print(f'{x.sum().item():.2f}')\nreturn x"),
    "default_dtype": ("", "torch.set_default_dtype(torch.get_default_dtype())  # here\nreturn x"),
    "backend_flag": ("", "torch.backends.cudnn.benchmark = False  # here\nreturn x"),
    "print_in_a_loop": ("", "for row in x.T:\n    print(1)  # here\nreturn x"),
    "append_in_a_branch": ("L = []", "if x.sum() > 3:\n    L.append(1)  # here\nreturn x + 1"),
    "append_in_a_while": ("L = []", "while x.sum() > 3:\n    L.append(1)  # here\n    x = x - 1\nreturn x + 1"),
    "custom_setattr_of_library": ("import threading\nT = threading.local()", "T.n = 1  # here\nreturn x"),
    "lru_cache": ("L = []\n@functools.lru_cache\ndef f(n):\n    L.append(n)\n    return n", "return x * f(3)"),
    "random_seeded": ("R = random.Random(3)", "return x * R.random()  # here"),
    "global_in_generator": (
        "N = 0\ndef gen():\n    global N  # here\n    N += 1\n    yield N",
        "return x * sum(gen())",
    ),
    "callback_of_torch": (
        "L = []\ndef f(v):\n    L.append(1)\n    return v * 2",
        "return torch.vmap(f)(x)",
    ),
}


def source(case: tuple[str, str]) -> str:
    return f"{case[0]}\n\n\ndef program(x):\n{textwrap.indent(case[1], '    ')}\n"


def reset_line(text: str) -> int | None:
    return next((n for n, line in enumerate(text.splitlines(), 1) if "# here" in line), None)


@pytest.mark.parametrize("name", REPLAYED)
def test_replayed(name: str, tmp_path: Path) -> None:
    compiled = compare(source(REPLAYED[name]), tmp_path)
    assert not any(ran_eagerly(compiled)), compiled.entries[-1].reasons


@pytest.mark.parametrize("name", EAGER)
def test_eager(name: str, tmp_path: Path) -> None:
    compiled = compare(source(EAGER[name]), tmp_path)
    assert any(ran_eagerly(compiled))


@pytest.mark.parametrize("name", [*REPLAYED, *EAGER])
def test_on_effect_eager(name: str, tmp_path: Path) -> None:
    case = REPLAYED.get(name) or EAGER[name]
    compiled = compare(source(case), tmp_path, on_effect="eager", calls=2)
    if name not in ("effect_before_a_raise", "itertools_inside"):
        assert any(ran_eagerly(compiled))


@pytest.mark.parametrize(
    "name", [n for n in EAGER if "# here" in EAGER[n][1]] + ["attribute", "list_append", "print", "global"]
)
def test_on_effect_error(name: str, tmp_path: Path) -> None:
    case = REPLAYED.get(name) or EAGER[name]
    module = load(source(case), tmp_path)
    compiled = jic.compile(module.program, config=jic.JitConfig(enable_caching=False, on_effect="error"))
    with pytest.raises(FallbackError) as raised:
        compiled(torch.ones(2, 3))
    number = re.search(r":(\d+)$", raised.value.location)
    assert number is not None, raised.value
    line = Path(module.__file__ or "").read_text().splitlines()[int(number[1]) - 1]
    assert "# here" in line or name in REPLAYED, line


def test_warning_names_the_line(tmp_path: Path) -> None:
    module = load(source(EAGER["next_of_count"]), tmp_path)
    with pytest.warns(UserWarning, match=r"eagerly.*effects_\d+\.py:\d+"):
        jic.compile(module.program)(torch.ones(2, 3))


UNKNOWN = [
    "time.time()", "time.perf_counter()", "datetime.datetime.now().year", "uuid.uuid4().int % 7", "len(os.urandom(3))",
    "os.getpid()", "random.random()", "id(object()) * 0 + time.monotonic_ns()", "len(os.listdir('.'))", "os.path.exists('.')",
]  # fmt: skip


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_is_not_pure_runs_eagerly(text: str, tmp_path: Path) -> None:
    module = load(source(("", f"return x * 0 + ({text}) * 0 + 1")), tmp_path)
    compiled = jic.compile(module.program)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert torch.equal(compiled(torch.ones(3)), torch.ones(3))
    assert ran_eagerly(compiled) == [True]


def test_effects_from_the_cache(tmp_path: Path) -> None:
    text = source(("L = []", "L.append(x.sum())\nreturn x + 1"))
    for _ in range(2):
        module = load(text, tmp_path)
        compiled = jic.compile(module.program, config=jic.JitConfig(cache_dir=str(tmp_path / "cache")))
        for n in range(3):
            compiled(torch.ones(3))
            assert len(module.L) == n + 1
    assert compiled.stats()["signatures"][0]["cached"]


def test_a_call_that_is_given_up_has_its_effects_once(tmp_path: Path) -> None:
    text = (
        "L = []\n\n\ndef program(x):\n    L.append(1)\n    print('x')\n    assert x.sum() < 7, 'no'\n    return x + 1\n"
    )
    compiled = compare(text, tmp_path)
    assert not any(ran_eagerly(compiled))


def test_gradients_and_effects(tmp_path: Path) -> None:
    module = load(
        source(("S = State(h=None, n=0)\nL = []", "S.h = x * 2\nS.n += 1\nL.append(S.n)\nreturn (S.h * x).sum()")),
        tmp_path,
    )
    compiled = jic.compile(module.program)
    for n in range(3):
        x = torch.ones(3, requires_grad=True)
        compiled(x).backward()
        assert x.grad is not None and torch.equal(x.grad, torch.full((3,), 4.0))
        assert module.S.n == n + 1 and list(range(1, n + 2)) == module.L


def test_nothing_happens_while_a_refused_call_is_traced(tmp_path: Path) -> None:
    case = (
        "L = []\nS = State(n=0)\nC = itertools.count()",
        "S.n += 1\nL.append(S.n)\nL.append(next(C))\nreturn x + S.n",
    )
    compare(source(case), tmp_path)


def test_set_grad_enabled_outlasts_the_call(tmp_path: Path) -> None:
    module = load(source(("", "y = x + 1\ntorch.set_grad_enabled(False)\nreturn y")), tmp_path)
    compiled = jic.compile(module.program)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            with torch.enable_grad():
                compiled(torch.ones(3))
                assert not torch.is_grad_enabled()


def test_library_defined_in_exec_is_checked(tmp_path: Path) -> None:
    names: dict[str, Any] = {"L": []}
    exec("def noted(x):\n    L.append(1)\n    return x + 1\n\ndef pure(x):\n    return x.relu() + 1", names)
    for name, eager in (("noted", True), ("pure", False)):
        compiled = jic.compile(names[name])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for n in range(3):
                assert torch.equal(compiled(torch.ones(2)), torch.full((2,), 2.0))
                assert len(names["L"]) == (n + 1 if eager else 3)
        assert {*ran_eagerly(compiled)} == {eager}


def test_lists_given_as_arguments_are_changed() -> None:
    def program(x: torch.Tensor, found: list[Any]) -> torch.Tensor:
        found.append(x * 2)
        return x + 1

    compiled = jic.compile(program)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            found: list[Any] = []
            compiled(torch.ones(2), found)
            assert len(found) == 1 and torch.equal(found[0], torch.full((2,), 2.0))


def test_the_object_that_is_there_is_changed(tmp_path: Path) -> None:
    module = load(source(("S = State(log=[], n=0)", "S.log.append(x.sum())\nS.n = 5\nreturn x + 1")), tmp_path)
    compiled = jic.compile(module.program)
    for _ in range(3):
        module.S.log = []
        compiled(torch.ones(2))
        assert len(module.S.log) == 1
        module.S = module.State(log=[], n=0)
        compiled(torch.ones(2))
        assert len(module.S.log) == 1 and module.S.n == 5


def test_state_edited_by_another_thread() -> None:
    state: dict[str, Any] = {"n": 0}
    log: list[int] = []

    def program(x: torch.Tensor) -> torch.Tensor:
        log.append(1)
        return x + state["n"]

    stop = threading.Event()

    def edit() -> None:
        while not stop.is_set():
            state["other"] = state.get("other", 0) + 1

    thread = threading.Thread(target=edit)
    thread.start()
    try:
        for _ in range(3):
            assert torch.equal(jic.compile(program)(torch.ones(2)), torch.ones(2))
    finally:
        stop.set()
        thread.join()
    assert log == [1, 1, 1]


def test_config() -> None:
    with pytest.raises(jic.errors.ConfigError, match="on_effect"):
        jic.JitConfig(on_effect="never")
