"""Loops, `while` and `if`: kernels-level IR against the same in torch, with buffers that must not be mixed up."""

from __future__ import annotations

import pytest
import torch
from support.program_harness import compiled, kernel, run, tensor
from torch_mlir import ir

from jic.dialects import build as b
from jic.runtime.native_module import native

I64 = "i64"


@pytest.fixture(params=[1, 2])
def threads(request):
    """On one thread, and on two that share every kernel with more than one task."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    if request.param > 1:
        native.set_thresholds(step=1, segment=1, steal=1, release_gil=1)
    yield
    native.set_thresholds()
    torch.set_num_threads(before)


pytestmark = pytest.mark.usefixtures("threads")


def number(value: int) -> torch.Tensor:
    return torch.tensor(value)


def constant(value, element: str = I64) -> ir.Value:
    return b.splat([], ir.Type.parse(element), value)


def apply(name: str, *values: ir.Value) -> ir.Value:
    return kernel(list(values), lambda *v: b.elementwise(name, *v))


def less(a: ir.Value, c: ir.Value) -> ir.Value:
    return kernel([a, c], lambda a, c: b.compare("lt", a, c))


def next_of(x: ir.Value) -> ir.Value:
    """tanh(2 x + 1)"""

    def body(x):
        two = b.splat_like(x, 2.0)
        return b.elementwise("tanh", b.elementwise("add", b.elementwise("mul", x, two), b.splat_like(x, 1.0)))

    return kernel([x], body)


def expected_next(x: torch.Tensor) -> torch.Tensor:
    return torch.tanh(2 * x + 1)


TRIPS = [0, 1, 2, 3, 8]


def counts(value: ir.Value, static: int | None) -> ir.Value:
    """The trip count as it is, or as a constant."""
    return value if static is None else constant(static)


@pytest.mark.parametrize("trips", TRIPS)
@pytest.mark.parametrize("static", [False, True])
def test_carried(trips, static):
    x = torch.randn(3, 70)

    def body(n, x):
        return b.loop(counts(n, trips if static else None), [x], lambda v: [next_of(v[1])]).results[0]

    expected = x
    for _ in range(trips):
        expected = expected_next(expected)
    torch.testing.assert_close(run(body, number(trips), x)[0], expected)


@pytest.mark.parametrize("trips", [-3, *TRIPS])
def test_index_and_stacked_outputs(trips):
    """out[i] = h = tanh(h + xs[i]): the rows are written in place."""
    xs, h = torch.randn(8, 40), torch.randn(40)

    def body(n, xs, h):
        out = kernel([], lambda: b.splat([8, 40], ir.F32Type.get(), 0.0))

        def step(v):
            i, h, out = v
            new = kernel(
                [h, xs, i],
                lambda h, xs, i: b.elementwise(
                    "tanh", b.elementwise("add", h, b.reshape(b.dynamic_slice(xs, i, 0, 1), [40]))
                ),
            )
            written = kernel(
                [out, new, i], lambda out, new, i: b.dynamic_update(out, b.reshape(new, [1, 40]), i, 0), "update"
            )
            return [new, written]

        return list(b.loop(n, [h, out], step).results)

    last, out = run(body, number(trips), xs, h)
    expected = torch.zeros(8, 40)
    for i in range(trips):
        h = torch.tanh(h + xs[i])
        expected[i] = h
    torch.testing.assert_close(last, h)
    torch.testing.assert_close(out, expected)
    program = compiled([((), I64), ((8, 40), "f32"), ((40,), "f32")], body)
    assert not any(s["op"] == "copy" and s["bytes"] > 160 for s in program._steps), "the stacked rows are copied"


@pytest.mark.parametrize("trips", TRIPS)
def test_swap_and_rotation(trips):
    x, y, z = (torch.randn(9) for _ in range(3))
    results = run(lambda n, x, y: list(b.loop(n, [x, y], lambda v: [v[2], v[1]]).results), number(trips), x, y)
    for found, expected in zip(results, (x, y) if trips % 2 == 0 else (y, x), strict=True):
        assert torch.equal(found, expected)
    results = run(
        lambda n, *v: list(b.loop(n, v, lambda v: [v[2], v[3], next_of(v[1])]).results), number(trips), x, y, z
    )
    for _ in range(trips):
        x, y, z = y, z, expected_next(x)
    for found, expected in zip(results, (x, y, z), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("trips", TRIPS)
def test_one_value_yielded_twice_and_one_unchanged(trips):
    x, y, z, w = (torch.randn(9) for _ in range(4))

    def body(n, x, y, z, w):
        def step(v):
            new = next_of(v[2])
            return [new, new, v[3], w]

        return list(b.loop(n, [x, y, z, x], step).results)

    found = run(body, number(trips), x, y, z, w)
    a, c, d = x, y, x
    for _ in range(trips):
        a = c = expected_next(c)
        d = w
    for got, expected in zip(found, (a, c, z, d), strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("trips", TRIPS)
def test_results_used_twice_and_inits_shared(trips):
    """The same initial value twice, needed after the loop, and a result that is returned twice and used."""
    x = torch.randn(9)

    def body(n, x):
        init = next_of(x)
        first, second = b.loop(n, [init, init], lambda v: [next_of(v[1]), apply("add", v[1], v[2])]).results
        return [first, first, b.reshape(first, [3, 3]), apply("add", second, init), second]

    found = run(body, number(trips), x)
    a = c = init = expected_next(x)
    for _ in range(trips):
        a, c = expected_next(a), a + c
    for got, expected in zip(found, (a, a, a.reshape(3, 3), c + init, c), strict=True):
        torch.testing.assert_close(got, expected)


def update(buffer: ir.Value, row: ir.Value, i: ir.Value) -> ir.Value:
    shape = [1, *ir.RankedTensorType(row.type).shape]
    return kernel([buffer, row, i], lambda x, row, i: b.dynamic_update(x, b.reshape(row, shape), i, 0), "update")


def row_of(buffer: ir.Value, i: ir.Value) -> ir.Value:
    shape = list(ir.RankedTensorType(buffer.type).shape)
    return kernel([buffer, i], lambda x, i: b.reshape(b.dynamic_slice(x, i, 0, 1), shape[1:]))


@pytest.mark.parametrize("trips", TRIPS)
def test_old_value_of_an_updated_buffer(trips):
    """What is read after the update must be the old rows: as a value of the next step, and in the same step."""
    x, total = torch.randn(8, 6), torch.zeros(6)

    def body(n, x, total):
        def step(v):
            i, buffer, previous, total = v
            new = update(buffer, next_of(row_of(previous, i)), i)
            old = row_of(buffer, i)
            return [new, buffer, apply("add", total, old)]

        return list(b.loop(n, [x, x, total], step).results)

    found = run(body, number(trips), x, total)
    buffer = previous = x
    for i in range(trips):
        new = buffer.clone()
        new[i] = expected_next(previous[i])
        total = total + buffer[i]
        buffer, previous = new, buffer
    for got, expected in zip(found, (buffer, previous, total), strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("outer, inner", [(0, 3), (3, 0), (2, 3), (3, 4)])
def test_nested_updates_are_in_place(outer, inner):
    """table[i][j] = table[i - 1][j] + i * j: a row's elements are written two loops deep."""
    table = torch.randn(5, 4)

    def body(n, m, table):
        one, zero = constant(1), constant(0)

        def row(v):
            i, table = v

            def element(v):
                j, table = v

                def value(table, i, j, one, zero):
                    above = b.dynamic_slice(b.dynamic_slice(table, b.elementwise("sub", i, one), 0, 1), j, 1, 1)
                    here = b.dynamic_slice(b.dynamic_slice(table, i, 0, 1), j, 1, 1)
                    product = b.convert(b.elementwise("mul", i, j), ir.F32Type.get())
                    return b.elementwise("add", above, b.broadcast(product, [1, 1], [])), here

                new = kernel([table, i, j, one, zero], lambda *v: value(*v)[0])
                row = kernel([table, i], lambda t, i: b.dynamic_slice(t, i, 0, 1))
                changed = kernel([row, new, j], lambda r, x, j: b.dynamic_update(r, x, j, 1), "update")
                return [kernel([table, changed, i], lambda t, r, i: b.dynamic_update(t, r, i, 0), "update")]

            return [b.loop(m, [table], element).results[0]]

        return b.loop(n, [table], row).results[0]

    (found,) = run(body, number(outer), number(inner), table)
    expected = table.clone()
    for i in range(outer):
        for j in range(inner):
            expected[i, j] = expected[max(i - 1, 0), j] + i * j
    torch.testing.assert_close(found, expected)
    program = compiled([((), I64), ((), I64), ((5, 4), "f32")], body)
    copied = [s for s in program._steps if s["op"] == "copy" and s["bytes"] == 80]
    assert len(copied) <= 1, "the table is copied in a loop"


@pytest.mark.parametrize("start", [-1.0, 3.0, 50.0])
def test_while(start):
    """while x.sum() < 100: x = 2 x + 1; count += 1"""
    x = torch.full((4,), start).abs()

    def body(x, count):
        limit = constant(100.0, "f32")

        def before(v):
            total = kernel([v[0]], lambda x: b.reduce(x, "sum", [0]), "reduction")
            return [less(total, limit), *v]

        def after(v):
            new = kernel([v[0]], lambda x: b.elementwise("add", b.elementwise("add", x, x), b.splat_like(x, 1.0)))
            return [new, apply("add", v[1], constant(1))]

        return list(b.while_([x, count], [x.type, count.type], before, after).results)

    found = run(body, x, number(0))
    count = 0
    while x.sum() < 100:
        x, count = 2 * x + 1, count + 1
    torch.testing.assert_close(found[0], x)
    assert int(found[1]) == count


def test_while_hands_on_other_values():
    """The condition's region computes what the body and the result get; a value from outside is handed on as it is."""
    x, y = torch.randn(6), torch.randn(6)

    def body(n, x, y):
        def before(v):
            i, x = v
            return [less(i, n), i, next_of(x), y, i]

        def after(v):
            i, new, same, again = v
            return [apply("add", again, constant(1)), apply("add", new, same)]

        types = [n.type, x.type, y.type, n.type]
        return list(b.while_([constant(0), x], types, before, after).results)

    for trips in TRIPS:
        i, new, same, again = run(body, number(trips), x, y)
        carried = x
        for _ in range(trips):
            carried = expected_next(carried) + y
        torch.testing.assert_close(new, expected_next(carried))
        assert torch.equal(same, y) and int(i) == int(again) == trips


@pytest.mark.parametrize("flag", [False, True])
def test_if(flag):
    x, y = torch.randn(6), torch.randn(6)

    def body(c, x, y):
        init = next_of(x)

        def then(_):
            new = next_of(y)
            return [new, new, x, init, apply("add", init, init)]

        def otherwise(_):
            return [init, y, x, apply("mul", init, init), init]

        results = b.if_(c, [x.type] * 5, then, otherwise).results
        return [*results, init]

    found = run(body, torch.tensor(flag), x, y)
    init, new = expected_next(x), expected_next(y)
    expected = [new, new, x, init, init + init] if flag else [init, y, x, init * init, init]
    for got, want in zip(found, [*expected, init], strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("trips", TRIPS)
def test_update_in_a_branch(trips):
    """Only even rows are written, in place: the other branch hands the buffer on."""
    x = torch.randn(8, 6)

    def body(n, x):
        def step(v):
            i, buffer = v
            even = kernel(
                [i], lambda i: b.compare("eq", b.elementwise("rem", i, b.splat_like(i, 2)), b.splat_like(i, 0))
            )
            new = b.if_(even, [x.type], lambda _: [update(buffer, next_of(row_of(buffer, i)), i)], lambda _: [buffer])
            return [new.results[0]]

        return b.loop(n, [x], step).results[0]

    (found,) = run(body, number(trips), x)
    expected = x.clone()
    for i in range(0, trips, 2):
        expected[i] = expected_next(x[i])
    torch.testing.assert_close(found, expected)
    program = compiled([((), I64), ((8, 6), "f32")], body)
    assert sum(s["op"] == "copy" and s["bytes"] == 192 for s in program._steps) == 1


@pytest.mark.parametrize("first, second", [(0, 2), (3, 0), (2, 3), (4, 2), (3, 3)])
def test_loops_in_ifs_in_loops(first, second):
    x, y = torch.randn(5), torch.randn(5)

    def body(n, m, x, y):
        def step(v):
            i, x, y = v
            small = less(i, constant(2))

            def then(_):
                inner = b.loop(m, [x, y], lambda v: [v[2], apply("add", v[1], v[2])]).results
                return list(inner)

            def otherwise(_):
                def innermost(v):
                    return list(b.loop(n, [v[1], v[2]], lambda v: [apply("sub", v[2], v[1]), v[1]]).results)

                return [y, b.loop(m, [x, y], innermost).results[0]]

            return list(b.if_(small, [x.type, y.type], then, otherwise).results)

        return list(b.loop(n, [x, y], step).results)

    found = run(body, number(first), number(second), x, y)
    for i in range(first):
        if i < 2:
            for _ in range(second):
                x, y = y, x + y
        else:
            p, q = x, y
            for _ in range(second):
                for _ in range(first):
                    p, q = q - p, p
            x, y = y, p
    for got, want in zip(found, (x, y), strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("trips", TRIPS)
def test_aten_call_in_a_loop(trips):
    x = torch.randn(4, 4)

    def sorted_(x):
        attributes = [ir.IntegerAttr.get(ir.IndexType.get(), 0)]
        return b.aten_call("aten.sort.default", [x], [x.type, tensor([4, 4], I64)], attributes, {}, "test")

    def body(n, x):
        def step(v):
            values = list(sorted_(next_of(v[1])).results)[0]
            even = kernel(
                [v[0]], lambda i: b.compare("eq", b.elementwise("rem", i, b.splat_like(i, 2)), b.splat_like(i, 0))
            )
            other = b.if_(even, [x.type], lambda _: [values], lambda _: [apply("neg", values)]).results[0]
            return [apply("add", other, v[1]), values]

        return list(b.loop(n, [x, x], step).results)

    found = run(body, number(trips), x)
    carried = values = x
    for i in range(trips):
        values = expected_next(carried).sort().values
        carried = (values if i % 2 == 0 else -values) + carried
    torch.testing.assert_close(found[0], carried)
    torch.testing.assert_close(found[1], values)


def test_index_out_of_range_in_a_loop():
    x, starts = torch.randn(4, 3), torch.tensor([1, 9, 0])

    def body(n, x, at):
        def step(v):
            row = kernel(
                [v[1], x, at, v[0]],
                lambda h, x, at, i: b.elementwise(
                    "add", h, b.reshape(b.index_select(x, b.dynamic_slice(at, i, 0, 1), 0), [3])
                ),
                "indexing",
            )
            return [row]

        zero = kernel([], lambda: b.splat([3], ir.F32Type.get(), 0.0))
        return b.loop(n, [zero], step).results[0]

    program = compiled([((), I64), ((4, 3), "f32"), ((3,), I64)], body)
    torch.testing.assert_close(program.run([number(1), x, starts])[0], x[1])
    with pytest.raises(IndexError, match="out of range"):
        program.run([number(3), x, starts])


def test_work_that_threads_share_in_a_loop():
    """Big kernels in the body, with a small condition and an index between them."""
    x = torch.randn(200, 300)

    def body(n, x, out):
        def step(v):
            i, x, out = v
            new = next_of(x)
            total = kernel([new], lambda x: b.reduce(x, "max", [0, 1]), "reduction")
            positive = kernel([total], lambda t: b.compare("gt", t, b.splat_like(t, 0.5)))
            new = b.if_(positive, [x.type], lambda _: [apply("neg", new)], lambda _: [new]).results[0]
            return [
                new,
                kernel([out, total, i], lambda o, t, i: b.dynamic_update(o, b.reshape(t, [1]), i, 0), "update"),
            ]

        return list(b.loop(n, [x, out], step).results)

    out = torch.zeros(40)
    found = run(body, number(40), x, out, times=5)
    for i in range(40):
        x = expected_next(x)
        out[i] = x.max()
        x = -x if out[i] > 0.5 else x
    torch.testing.assert_close(found[0], x, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[1], out, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("trips", [0, 1, 4])
def test_filters_are_packed_once(trips):
    """A convolution in a loop, in a branch, and again in a loop around it, with a filter that is made in the outer loop."""
    x, w = torch.randn(1, 8, 10, 10), torch.randn(8, 8, 3, 3) / 10

    def conv(x, w):
        return kernel([x, w], lambda x, w: b.conv(x, w, [1, 1], [1, 1, 1, 1], [1, 1]), "window")

    def body(n, x, w):
        def outer(v):
            i, x, w = v
            own = kernel([w], lambda w: b.elementwise("mul", w, b.splat_like(w, -0.5)))
            small = less(i, constant(2))
            x = b.loop(n, [x], lambda v: [conv(conv(v[1], own), w)]).results[0]
            return [b.if_(small, [x.type], lambda _: [conv(x, outside)], lambda _: [x]).results[0], own]

        outside = w
        return list(b.loop(n, [x, w], outer).results)

    found = run(body, number(trips), x, w)
    first = w
    conv2d = torch.nn.functional.conv2d
    for i in range(trips):
        own = w * -0.5
        for _ in range(trips):
            x = conv2d(conv2d(x, own, padding=1), w, padding=1)
        w = own
        x = conv2d(x, first, padding=1) if i < 2 else x
    torch.testing.assert_close(found[0], x, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found[1], w)
    program = compiled([((), I64), (tuple(x.shape), "f32"), (tuple(w.shape), "f32")], body)
    packs = [s.get("times", 1) for s in program._steps if s["op"] == "launch" and s["kernel"].endswith("_pack")]
    if packs:
        assert min(packs) == 1 and max(packs) < 16
