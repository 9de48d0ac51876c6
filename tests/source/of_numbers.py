"""The module `math`, and what Python does with numbers."""

from __future__ import annotations

import math

from .construct import POSITIVE, construct


@construct(*POSITIVE)
def math_elementary(x):
    return math.exp(-x[0]) * math.log(x[1]) + math.sqrt(x[2]) * math.sin(x[3]) * math.cos(x[0]) + math.tan(x[1] / 4)


@construct(*POSITIVE)
def math_logarithms(x):
    return (
        math.log(x[0], 3) + math.log10(x[1]) + math.log2(x[2]) + math.log1p(x[3]) + math.expm1(x[0]) + math.exp2(x[1])
    )


@construct()
def math_hyperbolic(x):
    return math.sinh(x[0]) + math.cosh(x[1]) * math.tanh(x[2]) + math.asinh(x[3]) + math.acosh(2 + x[0] ** 2)


@construct()
def math_inverse(x):
    return math.asin(x[0] / 5) + math.acos(x[1] / 5) + math.atan(x[2]) + math.atan2(x[0], x[1]) + math.atanh(x[3] / 5)


@construct()
def math_special(x):
    return math.erf(x[0]) * math.erfc(x[1]) + math.gamma(x[2] ** 2 + 0.5) + math.lgamma(abs(x[3]) + 0.5)


@construct()
def math_sums_and_products(x):
    return (
        math.fsum([x[0], x[1] ** 2, 1.5])
        + math.prod([x[1], x[2], 2])
        + math.hypot(x[0], x[1], x[2])
        + math.hypot(-1 - x[3] ** 2)
        + math.dist([x[0], x[1]], [1.0, x[2]])
    )


@construct()
def complex_numbers_of_parts(x):
    z = complex(x[0], 2 * x[1])
    return z.real * z.imag


@construct()
def math_powers_and_signs(x):
    return math.pow(x[0], 3) + math.fabs(x[1]) + math.copysign(x[2], -1.0) + math.cbrt(abs(x[3]) + 1)


@construct()
def math_rounding(x):
    return math.floor(x[0]) * x[1] + math.ceil(x[1]) * x[2] + math.trunc(x[2]) * x[3] + math.fmod(x[3], 0.75)


@construct()
def math_constants_and_angles(x):
    return math.sin(math.pi * x[0]) + math.e * math.radians(x[1]) + math.degrees(x[2]) / math.tau


@construct()
def math_predicates(x):
    if math.isfinite(x[0]) and not math.isnan(x[1]) and not math.isinf(x[2]) and x[3] < math.inf:
        return x[0] * x[1]
    return x[2]


@construct()
def float_of_a_number(x):
    total = 0.0
    for a in x:
        total += float(a) ** 2
    return float(total) * float(x[0])


@construct()
def int_of_a_number(x):
    return int(x[0] * 3) * x[1] + int(2.7) * x[2]


@construct()
def abs_round_pow_divmod(x):
    quotient, remainder = divmod(x[0], 0.45)
    return abs(x[1]) * pow(x[2], 2) + round(x[3]) * x[0] + remainder * quotient + round(x[1], 1) * x[2]


@construct()
def integer_arithmetic(x):
    y, n = 0.0, 7
    for i in range(6):
        n = (3 * n + 1) // 2 % 11
        y += (n & 3) * x[i % 4] + (1 << i) * 0.01 * x[0] ** 2
    return y


@construct()
def modulo_and_floor_division(x):
    return (x[0] % 0.45) * x[1] + (x[2] // 0.37) * x[3]


@construct()
def bool_of_a_comparison(x):
    flag = bool(x[0] > 0)
    return x[1] ** 2 if flag else x[2] ** 3


@construct()
def comparison_as_a_number(x):
    return (x[0] > 0) * x[1] + (x[2] > 0) * x[3] ** 2


@construct()
def item_method(x):
    return x[0].item() * x.sum().item() + x[1]
