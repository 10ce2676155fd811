"""Transcendental functions without a maths library: a GPU has none, and its native instructions are of low accuracy.

All in f32, of a few units in the last place; in f64 what has an easy series (exp, log, tanh, sigmoid). Trigonometric
functions reduce their argument by a three-part pi, good for |x| up to some 10^4; their absolute error grows beyond.
"""

from __future__ import annotations

import math

from torch_mlir import ir

from jic.errors import UnsupportedError

from ..ir import ops
from ..kernel.functions import Functions, horner, round_small, scale_by_power

LOG2E = 1.4426950216293335  # the f32 nearest to log2(e), and what is missing from it
LOG2E_LOW = 1.9259629911266175e-8
_LN2 = math.log(2.0)


class GpuFunctions(Functions):
    """`Functions` that need nothing but arithmetic, `fma`, `sqrt`, `floor` and `roundeven`."""

    def exp2(self, x: ir.Value) -> ir.Value:
        self._need_single("exp2", x)
        p = _clamp(x, -160.0, 140.0)
        n = round_small(p)
        return scale_by_power(_exp2_fraction(ops.subf(p, n)), n)

    def expm1(self, x: ir.Value) -> ir.Value:
        self._need_single("expm1", x)
        series = horner(x, tuple(1.0 / math.factorial(k) for k in range(8, 0, -1)))
        small = ops.cmpf("olt", ops.unary("math.absf", x), _c(x, 0.35))
        return ops.select(small, ops.mulf(series, x), ops.subf(self.exp(x), _c(x, 1.0)))

    def log(self, x: ir.Value) -> ir.Value:
        return super().log(x) if self._single(x) else _log64(x)

    def log2(self, x: ir.Value) -> ir.Value:
        self._need_single("log2", x)
        high, low = _log2_parts(x)
        return _log_edges(x, _add(high, low))

    def log10(self, x: ir.Value) -> ir.Value:
        self._need_single("log10", x)
        high, low = _log2_parts(x)
        scale, rest = _split(math.log10(2.0))
        small = ops.fma(low, _c(x, scale), ops.mulf(high, _c(x, rest)))
        return _log_edges(x, ops.fma(high, _c(x, scale), small))

    def log1p(self, x: ir.Value) -> ir.Value:
        """`log(1 + x)` plus what the sum `1 + x` rounded away."""
        self._need_single("log1p", x)
        one, inf = _c(x, 1.0), _c(x, math.inf)
        u = _add(one, x)
        lost = ops.divf(_sub(x, _sub(u, one)), u)
        y = ops.addf(self.log(u), lost)
        y = ops.select(ops.cmpf("oeq", u, _c(x, 0.0)), _c(x, -math.inf), y)
        return ops.select(ops.cmpf("oeq", u, inf), inf, y)

    def sin(self, x: ir.Value) -> ir.Value:
        self._need_single("sin", x)
        return self._sin_cos(x)[0]

    def cos(self, x: ir.Value) -> ir.Value:
        self._need_single("cos", x)
        return self._sin_cos(x)[1]

    def tan(self, x: ir.Value) -> ir.Value:
        self._need_single("tan", x)
        return ops.divf(*self._sin_cos(x))

    def _sin_cos(self, x: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Reduction to [-pi/4, pi/4] by quarter turns, then Cephes' polynomials."""
        quarters = ops.unary("math.roundeven", ops.mulf(x, _c(x, 2.0 / math.pi)))
        r = ops.fma(quarters, _c(x, -1.5703125), x)
        r = ops.fma(quarters, _c(x, -4.837512969970703e-4), r)
        r = ops.fma(quarters, _c(x, -7.549789948768648e-8), r)
        z = ops.mulf(r, r)
        s = horner(z, (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1))
        s = ops.fma(ops.mulf(s, z), r, r)
        c = horner(z, (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2))
        c = ops.fma(ops.mulf(c, z), z, ops.fma(z, _c(x, -0.5), _c(x, 1.0)))
        # The quarter modulo 4, computed in floats: an integer conversion of a huge quarter would be undefined.
        four = _c(x, 4.0)
        turn = ops.subf(quarters, ops.mulf(ops.unary("math.floor", ops.mulf(quarters, _c(x, 0.25))), four))
        odd = _either(ops.cmpf("oeq", turn, _c(x, 1.0)), ops.cmpf("oeq", turn, _c(x, 3.0)))
        sine, cosine = ops.select(odd, c, s), ops.select(odd, s, c)
        sine = ops.select(ops.cmpf("oge", turn, _c(x, 2.0)), ops.unary("arith.negf", sine), sine)
        flipped = _either(ops.cmpf("oeq", turn, _c(x, 1.0)), ops.cmpf("oeq", turn, _c(x, 2.0)))
        cosine = ops.select(flipped, ops.unary("arith.negf", cosine), cosine)
        # x - x is NaN for infinities and NaN
        wrong = ops.cmpf("uno", _sub(x, x), x)
        nan = _c(x, math.nan)
        return ops.select(wrong, nan, sine), ops.select(wrong, nan, cosine)

    def atan(self, x: ir.Value) -> ir.Value:
        self._need_single("atan", x)
        a = ops.unary("math.absf", x)
        one = _c(x, 1.0)
        large, middle = ops.cmpf("ogt", a, _c(x, 2.414213562373095)), ops.cmpf("ogt", a, _c(x, 0.4142135623730950))
        reduced = ops.select(
            large,
            ops.divf(_c(x, -1.0), a),
            ops.select(middle, ops.divf(ops.subf(a, one), ops.addf(a, one)), a),
        )
        base = ops.select(large, _c(x, math.pi / 2), ops.select(middle, _c(x, math.pi / 4), _c(x, 0.0)))
        z = ops.mulf(reduced, reduced)
        p = horner(z, (8.05374449538e-2, -1.38776856032e-1, 1.99777106478e-1, -3.33329491539e-1))
        y = ops.addf(base, ops.fma(ops.mulf(p, z), reduced, reduced))
        return _with_sign_of(y, x)

    def atan2(self, y: ir.Value, x: ir.Value) -> ir.Value:
        self._need_single("atan2", x)
        zero, inf = _c(x, 0.0), _c(x, math.inf)
        ay, ax = ops.unary("math.absf", y), ops.unary("math.absf", x)
        ratio = ops.divf(ay, ax)
        both = ops.binary("arith.andi", ops.cmpf("oeq", ay, inf), ops.cmpf("oeq", ax, inf))
        ratio = ops.select(both, _c(x, 1.0), ratio)
        none = ops.binary("arith.andi", ops.cmpf("oeq", ay, zero), ops.cmpf("oeq", ax, zero))
        angle = self.atan(ops.select(none, zero, ratio))
        bits = ops.bitcast(x, ops.element_type("i32"))
        behind = ops.cmpi("slt", bits, ops.constant(bits.type, 0))
        angle = ops.select(behind, ops.subf(_c(x, math.pi), angle), angle)
        angle = _with_sign_of(angle, y)
        missing = _either(ops.cmpf("uno", x, x), ops.cmpf("uno", y, y))
        return ops.select(missing, _c(x, math.nan), angle)

    def asin(self, x: ir.Value) -> ir.Value:
        self._need_single("asin", x)
        return _with_sign_of(self._asin_positive(ops.unary("math.absf", x))[0], x)

    def acos(self, x: ir.Value) -> ir.Value:
        """Near 1 from twice the arc sine of sqrt((1 - x) / 2), which does not cancel."""
        self._need_single("acos", x)
        a = ops.unary("math.absf", x)
        whole, half = self._asin_positive(a)
        near_one = ops.cmpf("ogt", a, _c(x, 0.5))
        positive = ops.select(near_one, half, ops.subf(_c(x, math.pi / 2), whole))
        negative = ops.select(near_one, ops.subf(_c(x, math.pi), half), ops.addf(_c(x, math.pi / 2), whole))
        return ops.select(ops.cmpf("olt", x, _c(x, 0.0)), negative, positive)

    def _asin_positive(self, a: ir.Value) -> tuple[ir.Value, ir.Value]:
        """`asin(a)` for `a >= 0`, and `2 asin(sqrt((1 - a) / 2))`, which is `acos(a)` where `a > 0.5`."""
        far = ops.cmpf("ogt", a, _c(a, 0.5))
        squared = ops.mulf(ops.subf(_c(a, 1.0), a), _c(a, 0.5))
        z = ops.select(far, squared, ops.mulf(a, a))
        r = ops.select(far, ops.unary("math.sqrt", squared), a)
        p = horner(z, (4.2163199048e-2, 2.4181311049e-2, 4.5470025998e-2, 7.4953002686e-2, 1.6666752422e-1))
        y = ops.fma(ops.mulf(p, z), r, r)
        half = ops.addf(y, y)
        return ops.select(far, ops.subf(_c(a, math.pi / 2), half), y), half

    def sinh(self, x: ir.Value) -> ir.Value:
        self._need_single("sinh", x)
        z = ops.mulf(x, x)
        series = ops.mulf(x, horner(z, tuple(1.0 / math.factorial(k) for k in range(11, 0, -2))))
        up, down = self._half_exponentials(x)
        small = ops.cmpf("olt", ops.unary("math.absf", x), _c(x, 1.0))
        return ops.select(small, series, _with_sign_of(ops.subf(up, down), x))

    def cosh(self, x: ir.Value) -> ir.Value:
        self._need_single("cosh", x)
        return ops.addf(*self._half_exponentials(x))

    def _half_exponentials(self, x: ir.Value) -> tuple[ir.Value, ir.Value]:
        """`exp(|x|) / 2` and `exp(-|x|) / 2`; the square of a root does not overflow too early."""
        root = self.exp(ops.mulf(ops.unary("math.absf", x), _c(x, 0.5)))
        up = ops.mulf(ops.mulf(root, _c(x, 0.5)), root)
        return up, ops.divf(_c(x, 0.25), up)

    def tanh(self, x: ir.Value) -> ir.Value:
        if self._single(x):
            return super().tanh(x)
        # (e^2a - 1) / (e^2a + 1) cancels below 1/4, where the continued fraction converges fast
        a = ops.unary("math.absf", x)
        one, two = _c(x, 1.0), _c(x, 2.0)
        y = ops.subf(one, ops.divf(two, ops.addf(self.exp(ops.mulf(a, two)), one)))
        z = ops.mulf(x, x)
        fraction = _c(x, 17.0)
        for k in range(15, 0, -2):
            fraction = ops.addf(_c(x, float(k)), ops.divf(z, fraction))
        small = ops.cmpf("olt", a, _c(x, 0.5))
        return ops.select(small, ops.divf(x, fraction), _with_sign_of(y, x))

    def erf(self, x: ir.Value) -> ir.Value:
        self._need_single("erf", x)
        return super().erf(x)

    def pow(self, x: ir.Value, y: ir.Value) -> ir.Value:
        """`2^(y log2 |x|)` with the logarithm in two floats, then the sign and the exact cases of C's `pow`."""
        self._need_single("pow", x)
        zero, one, inf, nan = _c(x, 0.0), _c(x, 1.0), _c(x, math.inf), _c(x, math.nan)
        a = ops.unary("math.absf", x)
        high, low = _log2_parts(a)
        high = _log_edges(a, high)
        product = _mul(y, high)
        rest = ops.fma(y, low, ops.fma(y, high, ops.unary("arith.negf", product)))
        limited = ops.cmpf("olt", ops.unary("math.absf", product), _c(x, 200.0))
        rest = ops.select(limited, rest, zero)
        product = _clamp(product, -200.0, 200.0)
        n = round_small(product)
        result = scale_by_power(_exp2_fraction(ops.addf(ops.subf(product, n), rest)), n)

        whole = ops.cmpf("oeq", ops.unary("math.floor", y), y)
        halved = ops.mulf(y, _c(x, 0.5))
        odd = ops.binary("arith.andi", whole, ops.cmpf("une", ops.unary("math.floor", halved), halved))
        bits = ops.bitcast(x, ops.element_type("i32"))
        minus = ops.cmpi("slt", bits, ops.constant(bits.type, 0))
        result = ops.select(ops.binary("arith.andi", odd, minus), ops.unary("arith.negf", result), result)
        below = ops.binary("arith.andi", ops.cmpf("olt", x, zero), ops.cmpf("ogt", x, _c(x, -math.inf)))
        result = ops.select(
            ops.binary("arith.andi", below, ops.cmpf("une", ops.unary("math.floor", y), y)), nan, result
        )
        endless = ops.cmpf("oeq", ops.unary("math.absf", y), inf)
        unit = _either(
            _either(ops.cmpf("oeq", y, zero), ops.cmpf("oeq", x, one)),
            ops.binary("arith.andi", endless, ops.cmpf("oeq", a, one)),
        )
        return ops.select(unit, one, result)

    def _need_single(self, name: str, x: ir.Value) -> None:
        if not self._single(x):
            raise UnsupportedError(
                f"jic.{name} on {ops.scalar_of(x.type)} has no GPU implementation",
                hint="use float32, or another target",
            )


def _c(like: ir.Value, value: float) -> ir.Value:
    return ops.constant(like.type, value)


# Sums and products whose rounding is part of the algorithm: no `contract` flag.
def _add(a: ir.Value, b: ir.Value) -> ir.Value:
    return ops.binary("arith.addf", a, b)


def _sub(a: ir.Value, b: ir.Value) -> ir.Value:
    return ops.binary("arith.subf", a, b)


def _mul(a: ir.Value, b: ir.Value) -> ir.Value:
    return ops.binary("arith.mulf", a, b)


def _either(a: ir.Value, b: ir.Value) -> ir.Value:
    return ops.binary("arith.ori", a, b)


def _clamp(x: ir.Value, low: float, high: float) -> ir.Value:
    x = ops.select(ops.cmpf("olt", x, _c(x, low)), _c(x, low), x)
    return ops.select(ops.cmpf("ogt", x, _c(x, high)), _c(x, high), x)


def _with_sign_of(magnitude: ir.Value, x: ir.Value) -> ir.Value:
    """`magnitude`, not negative, with the sign bit of `x`."""
    wide = "i64" if isinstance(ops.scalar_of(x.type), ir.F64Type) else "i32"
    bits = ops.bitcast(x, ops.element_type(wide))
    sign = ops.binary("arith.andi", bits, ops.constant(bits.type, -(1 << (int(wide[1:]) - 1))))
    return ops.bitcast(
        ops.binary("arith.ori", ops.bitcast(magnitude, ops.element_type(wide)), sign), ops.scalar_of(x.type)
    )


def _split(value: float) -> tuple[float, float]:
    """`value` as an f32 of 12 bits, whose product with such a one is exact, and the rest."""
    mantissa, exponent = math.frexp(value)
    high = math.ldexp(round(math.ldexp(mantissa, 24)), exponent - 24)
    return high, value - high


def _exp2_fraction(f: ir.Value) -> ir.Value:
    """`2^f` for |f| <= 1/2 (and a little more): the Taylor polynomial of degree 7."""
    return horner(f, tuple(_LN2**k / math.factorial(k) for k in range(7, -1, -1)))


def _mantissa_and_exponent(x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """`m` in [sqrt(1/2), sqrt(2)) and an integral float `e` with `x = m 2^e`, for finite `x > 0`, denormals too."""
    single = isinstance(ops.scalar_of(x.type), ir.F32Type)
    integer = ops.element_type("i32" if single else "i64")
    smallest, digits, root = (2.0**-126, 23, 0x3F3504F3) if single else (2.0**-1022, 52, 0x3FE6A09E667F3BCD)
    tiny = ops.cmpf("olt", x, _c(x, smallest))
    bits = ops.bitcast(ops.select(tiny, ops.mulf(x, _c(x, 2.0 ** (digits + 1))), x), integer)
    shift = ops.constant(bits.type, digits)
    exponent = ops.binary("arith.shrsi", ops.binary("arith.subi", bits, ops.constant(bits.type, root)), shift)
    mantissa = ops.binary("arith.subi", bits, ops.binary("arith.shli", exponent, shift))
    e = ops.op("arith.sitofp", [exponent], x.type)
    e = ops.select(tiny, ops.subf(e, _c(x, digits + 1.0)), e)
    return ops.bitcast(mantissa, ops.scalar_of(x.type)), e


def _log2_parts(x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """`log2(x)` as an unevaluated sum of two f32, for finite `x > 0`: from 2 atanh((m - 1) / (m + 1))."""
    m, e = _mantissa_and_exponent(x)
    one = _c(x, 1.0)
    f, d = _sub(m, one), _add(m, one)
    d_low = _sub(m, _sub(d, one))
    s = ops.divf(f, d)
    minus_s = ops.unary("arith.negf", s)
    s_low = ops.divf(ops.fma(minus_s, d_low, ops.fma(minus_s, d, f)), d)
    z = ops.mulf(s, s)
    tail = ops.mulf(ops.mulf(s, z), horner(z, tuple(2.0 / k for k in (11, 9, 7, 5, 3))))
    twice = _add(s, s)
    low = ops.fma(_c(x, 2.0), s_low, tail)
    head = _mul(twice, _c(x, LOG2E))
    rest = ops.fma(twice, _c(x, LOG2E), ops.unary("arith.negf", head))
    rest = ops.fma(low, _c(x, LOG2E), ops.fma(twice, _c(x, LOG2E_LOW), rest))
    total = _add(e, head)
    return total, _add(_add(_sub(e, total), head), rest)


def _log_edges(x: ir.Value, y: ir.Value) -> ir.Value:
    """`y`, a logarithm of `x`, with C's values at 0, infinity, below 0 and at NaN."""
    inf, zero = _c(x, math.inf), _c(x, 0.0)
    y = ops.select(ops.cmpf("oeq", x, inf), inf, y)
    y = ops.select(ops.cmpf("oeq", x, zero), _c(x, -math.inf), y)
    y = ops.select(ops.cmpf("olt", x, zero), _c(x, math.nan), y)
    return ops.select(ops.cmpf("uno", x, x), x, y)


def _log64(x: ir.Value) -> ir.Value:
    """f64: 2 atanh((m - 1) / (m + 1)) as a series, plus the exponent times ln 2 in two parts."""
    m, e = _mantissa_and_exponent(x)
    f = ops.subf(m, _c(x, 1.0))
    s = ops.divf(f, ops.addf(f, _c(x, 2.0)))
    z = ops.mulf(s, s)
    tail = ops.mulf(ops.mulf(s, z), horner(z, tuple(2.0 / k for k in range(23, 1, -2))))
    y = ops.fma(e, _c(x, 1.90821492927058770002e-10), ops.fma(_c(x, 2.0), s, tail))
    return _log_edges(x, ops.fma(e, _c(x, 6.93147180369123816490e-01), y))
