"""How an elementwise function is spelled in LLVM IR: instructions, or a formula of the vector mathematics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from mixgrad.compile.vecmath import FUNCTIONS, HARD, define
from mixgrad.compile.vecmath.arithmetic import DOUBLE, Real, declared

INT1, INT8, INT32, INT64, FLOAT = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
_TYPES = {
    np.dtype(np.float64): DOUBLE, np.dtype(np.float32): FLOAT, np.dtype(np.int64): INT64, np.dtype(np.int32): INT32,
    np.dtype(np.int8): INT8, np.dtype(np.uint8): INT8, np.dtype(np.bool_): INT1,
}  # fmt: skip


def element_type(dtype: np.dtype) -> ir.Type:
    """Return the LLVM type of a number in a register."""
    return _TYPES[dtype]


def stored_type(dtype: np.dtype) -> ir.Type:
    """Return the LLVM type of a number in memory: truth values are bytes there."""
    return INT8 if dtype == np.bool_ else _TYPES[dtype]


def typed_like(kind: ir.Type, element: ir.Type) -> ir.Type:
    """Return `element`, or vectors of it as long as `kind` is."""
    return ir.VectorType(element, kind.count) if isinstance(kind, ir.VectorType) else element


def constant(kind: ir.Type, number: Any) -> ir.Constant:
    """Return a number of a type; for vectors, one with equal lanes."""
    if isinstance(kind, ir.VectorType):
        return ir.Constant(kind, [constant(kind.element, number)] * kind.count)
    if isinstance(kind, (ir.DoubleType, ir.FloatType)):
        return ir.Constant(kind, float(np.float32(number)) if isinstance(kind, ir.FloatType) else float(number))
    return ir.Constant(kind, int(number))


def splat(b: ir.IRBuilder, value: ir.Value, count: int) -> ir.Value:
    """Return a vector with equal lanes; what is one already stays."""
    if isinstance(value.type, ir.VectorType):
        return value
    kind = ir.VectorType(value.type, count)
    if isinstance(value, ir.Constant):
        return ir.Constant(kind, [value] * count)
    single = b.insert_element(ir.Constant(kind, ir.Undefined), value, constant(INT32, 0))
    return b.shuffle_vector(single, single, ir.Constant(ir.VectorType(INT32, count), [0] * count))


def any_lane(b: ir.IRBuilder, condition: ir.Value) -> ir.Value:
    """Whether a condition holds for some lane."""
    if not isinstance(condition.type, ir.VectorType):
        return condition
    bits = b.bitcast(condition, ir.IntType(condition.type.count))
    return b.icmp_unsigned("!=", bits, constant(bits.type, 0))


def intrinsic(b: ir.IRBuilder, name: str, *args: ir.Value) -> ir.Value:
    """Call an intrinsic function of LLVM on values of one type."""
    kind = args[0].type
    element = kind.element if isinstance(kind, ir.VectorType) else kind
    letter = {DOUBLE: "f64", FLOAT: "f32"}.get(element) or f"i{element.width}"
    suffix = f"v{kind.count}{letter}" if isinstance(kind, ir.VectorType) else letter
    return b.call(declared(b.module, f"llvm.{name}.{suffix}", ir.FunctionType(kind, [kind] * len(args))), args)


def cast(b: ir.IRBuilder, x: ir.Value, old: np.dtype, new: np.dtype) -> ir.Value:
    """Convert between dtypes, as NumPy's astype does."""
    if old == new:
        return x
    kind = typed_like(x.type, element_type(new))
    if new == np.bool_:
        zero = constant(x.type, 0)
        return b.fcmp_unordered("!=", x, zero) if old.kind == "f" else b.icmp_signed("!=", x, zero)
    if old.kind == "f" and new.kind == "f":
        return b.fpext(x, kind) if new.itemsize > old.itemsize else b.fptrunc(x, kind)
    if old.kind == "f":
        return b.trunc(b.fptosi(x, typed_like(x.type, INT32)), kind) if new.itemsize == 1 else b.fptosi(x, kind)
    if new.kind == "f":
        return b.sitofp(x, kind) if old.kind == "i" else b.uitofp(x, kind)
    if old == np.bool_ or (old.kind == "u" and new.itemsize > old.itemsize):
        return b.zext(x, kind)
    return b.sext(x, kind) if new.itemsize > old.itemsize else x if new.itemsize == old.itemsize else b.trunc(x, kind)


# One function for each: (builder, dtype in which it computes, arguments) -> result ------------------------------------


def _arithmetic(real: str, integer: str) -> Callable:
    def spell(b: ir.IRBuilder, kind: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
        return getattr(b, real)(x, y, flags=("contract",)) if kind.kind == "f" else getattr(b, integer)(x, y)

    return spell


def _negative(b: ir.IRBuilder, kind: np.dtype, x: ir.Value) -> ir.Value:
    return b.fneg(x) if kind.kind == "f" else b.neg(x)


def _divide(b: ir.IRBuilder, kind: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
    return b.fdiv(x, y)


def _compare(sign: str) -> Callable:
    def spell(b: ir.IRBuilder, kind: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
        if kind.kind == "f":
            return b.fcmp_unordered(sign, x, y) if sign == "!=" else b.fcmp_ordered(sign, x, y)
        return b.icmp_signed(sign, x, y) if kind.kind == "i" else b.icmp_unsigned(sign, x, y)

    return spell


def _is_nan(b: ir.IRBuilder, kind: np.dtype, x: ir.Value) -> ir.Value:
    return b.fcmp_unordered("uno", x, x) if kind.kind == "f" else constant(typed_like(x.type, INT1), 0)


def _equals(number: float, absolute: bool = False) -> Callable:
    def spell(b: ir.IRBuilder, kind: np.dtype, x: ir.Value) -> ir.Value:
        if kind.kind != "f":
            return constant(typed_like(x.type, INT1), 0)
        return b.fcmp_ordered("==", intrinsic(b, "fabs", x) if absolute else x, constant(x.type, number))

    return spell


def _is_finite(b: ir.IRBuilder, kind: np.dtype, x: ir.Value) -> ir.Value:
    if kind.kind != "f":
        return constant(typed_like(x.type, INT1), 1)
    return b.fcmp_ordered("<", intrinsic(b, "fabs", x), constant(x.type, np.inf))


def _sign_bit(b: ir.IRBuilder, kind: np.dtype, x: ir.Value) -> ir.Value:
    if kind.kind == "f":
        x = b.bitcast(x, typed_like(x.type, ir.IntType(8 * kind.itemsize)))
    return b.icmp_signed("<", x, constant(x.type, 0))


def extreme(sign: str, nan_wins: bool = True) -> Callable:
    """Return the spelling of a maximum (">") or minimum ("<"); with `nan_wins` a nan is the result if there is one."""

    def spell(b: ir.IRBuilder, kind: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
        if kind.kind != "f":
            return b.select(_compare(sign)(b, kind, x, y), x, y)
        first = b.or_(b.fcmp_ordered(sign + "=", x, y), _is_nan(b, kind, x if nan_wins else y))
        return b.select(first, x, y)

    return spell


def _absolute(b: ir.IRBuilder, kind: np.dtype, x: ir.Value) -> ir.Value:
    if kind.kind == "f":
        return intrinsic(b, "fabs", x)
    return b.select(b.icmp_signed("<", x, constant(x.type, 0)), b.neg(x), x) if kind.kind == "i" else x


def _rounding(name: str) -> Callable:
    return lambda b, kind, x: intrinsic(b, name, x) if kind.kind == "f" else x


def _sign(b: ir.IRBuilder, kind: np.dtype, x: ir.Value) -> ir.Value:
    zero, one, minus = (constant(x.type, n) for n in (0, 1, -1))
    small = _compare("<")(b, kind, x, zero)
    if kind.kind != "f":
        return b.select(small, minus, b.select(_compare(">")(b, kind, x, zero), one, zero))
    signed = b.select(small, minus, b.select(b.fcmp_ordered(">", x, zero), one, zero))
    return b.select(_is_nan(b, kind, x), x, signed)


def _strong_product(b: ir.IRBuilder, kind: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
    if kind.kind != "f":
        return b.mul(x, y)
    product, zero = b.fmul(x, y), constant(x.type, 0)
    either = b.or_(b.fcmp_ordered("==", x, zero), b.fcmp_ordered("==", y, zero))
    return b.select(b.and_(b.fcmp_unordered("uno", product, product), either), zero, product)


def _heaviside(b: ir.IRBuilder, kind: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
    zero, one = constant(x.type, 0), constant(x.type, 1)
    step = b.select(b.fcmp_ordered(">", x, zero), one, b.select(b.fcmp_ordered("<", x, zero), zero, y))
    return b.select(_is_nan(b, kind, x), x, step)


def _times_log(name: str) -> Callable:
    """Return the spelling of ``x log y``, which is 0 where x is, unless y is a nan."""

    def spell(b: ir.IRBuilder, kind: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
        zero = constant(x.type, 0)
        none = b.and_(b.fcmp_ordered("==", x, zero), b.fcmp_ordered("==", y, y))
        return b.select(none, zero, b.fmul(x, SPELLINGS[name](b, kind, y)))

    return spell


def _huber(b: ir.IRBuilder, kind: np.dtype, delta: ir.Value, r: ir.Value) -> ir.Value:
    size, half = intrinsic(b, "fabs", r), constant(r.type, 0.5)
    square = b.fmul(b.fmul(r, r), half)
    line = b.fmul(delta, b.fsub(size, b.fmul(half, delta)))
    return _of_width(b, delta, b.select(b.fcmp_ordered("<=", size, delta), square, line))


def _pseudo_huber(b: ir.IRBuilder, kind: np.dtype, delta: ir.Value, r: ir.Value) -> ir.Value:
    zero = constant(r.type, 0)
    length = SPELLINGS["hypot"](b, kind, delta, r)
    result = b.fmul(b.fmul(b.fdiv(r, b.fadd(delta, length)), delta), r)
    infinite = b.fmul(b.fmul(r, b.fdiv(delta, delta)), r)
    result = b.select(b.fcmp_ordered("==", length, constant(r.type, np.inf)), infinite, result)
    none = b.or_(b.fcmp_ordered("==", delta, zero), b.fcmp_ordered("==", r, zero))
    return _of_width(b, delta, b.select(none, zero, result))


def _of_width(b: ir.IRBuilder, delta: ir.Value, loss: ir.Value) -> ir.Value:
    """Return a loss, or infinity where its width is negative."""
    return b.select(b.fcmp_ordered("<", delta, constant(delta.type, 0)), constant(delta.type, np.inf), loss)


def _cosm1(b: ir.IRBuilder, kind: np.dtype, x: ir.Value) -> ir.Value:
    sine = SPELLINGS["sin"](b, kind, b.fmul(x, constant(x.type, 0.5)))
    return b.fadd(b.fmul(b.fmul(sine, sine), constant(x.type, -2)), constant(x.type, 0))  # no -0.0


def _loggamma(b: ir.IRBuilder, kind: np.dtype, x: ir.Value) -> ir.Value:
    negative = b.fcmp_ordered("<", x, constant(x.type, 0))
    value = SPELLINGS["gammaln"](b, kind, intrinsic(b, "fabs", x))
    return b.select(negative, constant(x.type, np.nan), value)


def _spacing(b: ir.IRBuilder, kind: np.dtype, x: ir.Value) -> ir.Value:
    whole = typed_like(x.type, ir.IntType(8 * kind.itemsize))
    x = b.select(b.fcmp_ordered("==", x, constant(x.type, 0)), constant(x.type, 0), x)  # no -0.0
    following = b.bitcast(b.add(b.bitcast(x, whole), constant(whole, 1)), x.type)
    finite = _is_finite(b, kind, x)
    return b.select(finite, b.fsub(following, x), constant(x.type, np.nan))


def _shift(name: str) -> Callable:
    """Return the spelling of a shift; by more places than there are, or fewer than none, it is one by all."""

    def spell(b: ir.IRBuilder, kind: np.dtype, x: ir.Value, places: ir.Value) -> ir.Value:
        width = 8 * kind.itemsize
        inside = b.icmp_unsigned("<", places, constant(x.type, width))
        shifted = getattr(b, name)(x, b.select(inside, places, constant(x.type, 0)))
        negative = name == "ashr" and kind.kind == "i"
        end = b.ashr(x, constant(x.type, width - 1)) if negative else constant(x.type, 0)
        return b.select(inside, shifted, end)

    return spell


def _right_shift(b: ir.IRBuilder, kind: np.dtype, x: ir.Value, places: ir.Value) -> ir.Value:
    return _shift("ashr" if kind.kind == "i" else "lshr")(b, kind, x, places)


def _bitwise(name: str) -> Callable:
    return lambda b, kind, x, y: getattr(b, name)(x, y)


def _scaled(factor: float) -> Callable:
    return lambda b, kind, x: b.fmul(x, constant(x.type, factor))


def _reciprocal(b: ir.IRBuilder, kind: np.dtype, x: ir.Value) -> ir.Value:
    return b.fdiv(constant(x.type, 1), x)


def _floor_divide(b: ir.IRBuilder, kind: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
    return (_divided if kind.kind == "f" else _divided_integers)(b, x, y)[0]


def _remainder(b: ir.IRBuilder, kind: np.dtype, x: ir.Value, y: ir.Value) -> ir.Value:
    return (_divided if kind.kind == "f" else _divided_integers)(b, x, y)[1]


def _divided(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return quotient and remainder as Python defines them, and NumPy: the remainder has the sign of the divisor."""
    zero, one = constant(x.type, 0), constant(x.type, 1)
    rest = b.frem(x, y)
    exact = b.fdiv(b.fsub(x, rest), y)
    wrong = b.and_(
        b.fcmp_ordered("!=", rest, zero), b.xor(b.fcmp_ordered("<", y, zero), b.fcmp_ordered("<", rest, zero))
    )
    rest = b.select(wrong, b.fadd(rest, y), rest)
    rest = b.select(b.fcmp_ordered("==", rest, zero), intrinsic(b, "copysign", zero, y), rest)
    exact = b.select(wrong, b.fsub(exact, one), exact)
    floor = intrinsic(b, "floor", exact)
    floor = b.select(b.fcmp_ordered(">", b.fsub(exact, floor), constant(x.type, 0.5)), b.fadd(floor, one), floor)
    none = intrinsic(b, "copysign", zero, b.fdiv(x, y))
    floor = b.select(b.fcmp_ordered("==", exact, zero), none, floor)
    return b.select(b.fcmp_unordered("==", y, zero), b.fdiv(x, y), floor), rest


def _divided_integers(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return quotient and remainder of signed integers as NumPy defines them: 0 for a division by zero."""
    zero, one, minus = (constant(x.type, n) for n in (0, 1, -1))
    none, negates = b.icmp_signed("==", y, zero), b.icmp_signed("==", y, minus)
    divisor = b.select(b.or_(none, negates), one, y)  # dividing the least integer by -1 would stop the program
    quotient, rest = b.sdiv(x, divisor), b.srem(x, divisor)
    wrong = b.and_(b.icmp_signed("!=", rest, zero), b.icmp_signed("<", b.xor(rest, y), zero))
    quotient, rest = b.select(wrong, b.sub(quotient, one), quotient), b.select(wrong, b.add(rest, y), rest)
    return b.select(none, zero, b.select(negates, b.neg(x), quotient)), b.select(b.or_(none, negates), zero, rest)


SPELLINGS: dict[str, Callable] = {
    "add": _arithmetic("fadd", "add"), "subtract": _arithmetic("fsub", "sub"), "multiply": _arithmetic("fmul", "mul"),
    "negative": _negative, "divide": _divide, "reciprocal": _reciprocal,
    "square": lambda b, kind, x: SPELLINGS["multiply"](b, kind, x, x),
    "strong_product": _strong_product,
    "quotient": lambda b, kind, x, y: b.udiv(x, y), "rest": lambda b, kind, x, y: b.urem(x, y),  # of places in an array
    "less": _compare("<"), "less_equal": _compare("<="), "greater": _compare(">"), "greater_equal": _compare(">="),
    "equal": _compare("=="), "not_equal": _compare("!="),
    "isnan": _is_nan, "isfinite": _is_finite, "isinf": _equals(np.inf, True),
    "isposinf": _equals(np.inf), "isneginf": _equals(-np.inf), "signbit": _sign_bit,
    "logical_and": _bitwise("and_"), "logical_or": _bitwise("or_"), "logical_xor": _bitwise("xor"),
    "bitwise_and": _bitwise("and_"), "bitwise_or": _bitwise("or_"), "bitwise_xor": _bitwise("xor"),
    "logical_not": lambda b, kind, x: b.not_(x), "invert": lambda b, kind, x: b.not_(x),
    "maximum": extreme(">"), "minimum": extreme("<"), "fmax": extreme(">", False), "fmin": extreme("<", False),
    "absolute": _absolute, "fabs": _absolute, "sign": _sign,
    "floor": _rounding("floor"), "ceil": _rounding("ceil"), "trunc": _rounding("trunc"), "rint": _rounding("rint"),
    "sqrt": lambda b, kind, x: intrinsic(b, "sqrt", x),
    "fmod": lambda b, kind, x, y: b.frem(x, y), "heaviside": _heaviside, "xlogy": _times_log("log"),
    "xlog1py": _times_log("log1p"), "remainder": _remainder, "floor_divide": _floor_divide,
    "copysign": lambda b, kind, x, y: intrinsic(b, "copysign", x, y),
    "deg2rad": _scaled(np.pi / 180), "radians": _scaled(np.pi / 180),
    "rad2deg": _scaled(180 / np.pi), "degrees": _scaled(180 / np.pi),
    "huber": _huber, "pseudo_huber": _pseudo_huber, "cosm1": _cosm1, "loggamma": _loggamma, "spacing": _spacing,
    "left_shift": _shift("shl"), "right_shift": _right_shift,
}  # fmt: skip


OF_INTEGERS = (
    frozenset(SPELLINGS)
    - {"divide", "reciprocal", "sqrt", "copysign", "fmod", "heaviside", "xlogy", "xlog1py"}
    - frozenset(("deg2rad", "radians", "rad2deg", "degrees"))
    - frozenset(("huber", "pseudo_huber", "cosm1", "loggamma", "spacing"))
)
"""Functions that compute in integers, and truth values, as well."""

MOST_COPIES = 16  # of the code of a function, in the places that call it
_C_NAMES = {"gammaln": "lgamma"}


def _formula(name: str) -> Callable:
    """Return the spelling of a function of the vector mathematics."""

    def spell(b: ir.IRBuilder, kind: np.dtype, *args: ir.Value) -> ir.Value:
        function = _whole(b.module, name, args[0].type)
        function.uses = getattr(function, "uses", 0) + 1
        if function.uses > MOST_COPIES:  # LLVM takes long for functions of many thousand instructions
            function.attributes.discard("alwaysinline")
            function.attributes.add("noinline")
        return b.call(function, args)

    return spell


def _whole(module: ir.Module, name: str, kind: ir.Type) -> ir.Function:
    """Return the function of a module that computes a function for all arguments, hard cases included."""
    formula = define(module, name, kind)
    if name not in HARD:
        return formula
    full_name = f"{formula.name}.all"
    present = module.globals.get(full_name)
    if isinstance(present, ir.Function):
        return present
    function = ir.Function(module, formula.function_type, full_name)
    function.linkage = "internal"
    function.attributes.add("alwaysinline")
    b = ir.IRBuilder(function.append_basic_block("entry"))
    b.ret(_with_hard_cases(b, name, function.args[0], b.call(formula, function.args)))
    return function


def _with_hard_cases(b: ir.IRBuilder, name: str, x: ir.Value, value: ir.Value) -> ir.Value:
    """Let the C library compute where the formula does not hold."""
    wide = typed_like(x.type, DOUBLE)
    number = x if x.type == wide else b.fpext(x, wide)
    hard = HARD[name](Real(b, x)).value
    before = b.block
    with b.if_then(any_lane(b, hard), likely=False):
        function = declared(b.module, _C_NAMES.get(name, name), ir.FunctionType(DOUBLE, [DOUBLE]))
        if isinstance(wide, ir.VectorType):
            exact = number
            for lane in range(wide.count):
                place = constant(INT32, lane)
                exact = b.insert_element(exact, b.call(function, [b.extract_element(number, place)]), place)
        else:
            exact = b.call(function, [number])
        exact = b.select(hard, exact if x.type == wide else b.fptrunc(exact, x.type), value)
        inside = b.block
    result = b.phi(x.type)
    result.add_incoming(value, before)
    result.add_incoming(exact, inside)
    return result


SPELLINGS |= {name: _formula(name) for name in FUNCTIONS if name not in SPELLINGS}
SPELLINGS["psi"] = SPELLINGS["digamma"]  # SciPy's name for it
