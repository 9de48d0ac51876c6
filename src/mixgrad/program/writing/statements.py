"""Rows that are written as statements: writing into arrays, branches, loops."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from mixgrad.core.program import Equation, Program, Var
from mixgrad.program.writing import counters
from mixgrad.program.writing.expression import Expression, call, dtype_text, tuple_text
from mixgrad.program.writing.function import Function
from mixgrad.program.writing.scope import STATEMENTS, Scope, is_view, words
from mixgrad.program.writing.surroundings import index_object, index_text, zeros_text

# Writing into arrays --------------------------------------------------------------------------------------------------


def scatter(scope: Scope, equation: Equation) -> None:
    """Write an array of zeros, and add to some of its cells."""
    (out,), (y, *arrays) = equation.outs, map(scope.resolved, equation.args)
    form, right = equation.static["form"], scope.expression(y)
    name = scope.name_for(out)
    scope.function.line(f"{name} = {zeros_text(out.shape, out.dtype)}")
    if form.basic or not any(np.ndim(array) for array in arrays):
        scope.function.line(f"{name}[{index_text(scope, form.parts, tuple(arrays))}] += {right}")
    else:
        scope.function.line(f"np.add.at({name}, {index_object(scope, form.parts, tuple(arrays))}, {right})")
    scope.taken(*equation.args)
    scope.expressions[id(out)] = Expression(name)
    scope.owned.add(id(out))


def update(scope: Scope, equation: Equation) -> None:
    """Write into an array: into itself where nobody else reads it, otherwise into a copy."""
    (out,), (y, value, *arrays) = equation.outs, map(scope.resolved, equation.args)
    scope.settle_all(keep=equation.args[1:])
    old = scope.expression(y)
    right = scope.expression(value, weak=_is_real(value))
    inside = index_text(scope, equation.static["form"].parts, tuple(arrays))
    dead = isinstance(y, Var) and scope.is_dead(y) and old.is_name and not scope.is_fixed(old.text)
    if dead and scope.root(y) in scope.owned and out.shape:
        name = old.text
    else:
        name = old.text if dead else scope.name_for(out)
        if name in words(f"{right} {inside}") and name != old.text:
            name = scope.function.names.take(out.name)
        scope.function.line(f"{name} = np.array({old})")
    scope.function.line(f"{name}[{inside}] = {right}")
    scope.taken(*equation.args)
    if not out.shape:
        scope.function.line(f"{name} = {name}[()]")
    scope.expressions[id(out)] = Expression(name)
    scope.owned.add(id(out))


def _is_real(value: Any) -> bool:
    return not isinstance(value, Var) and np.asarray(value).dtype.kind in "fiub"


# Nested programs ------------------------------------------------------------------------------------------------------


def _bind(inner: Scope, outer: Scope, var: Var, atom: Any) -> None:
    """Let an input of a nested program be what it is given."""
    atom = outer.resolved(atom)
    if isinstance(atom, Var):
        inner.expressions[id(var)] = outer.expressions[id(atom)]
        inner.fixed |= words(inner.expressions[id(var)].text)
    elif isinstance(atom, np.ndarray) and atom.ndim:
        inner.expressions[id(var)] = outer.named(atom)
    else:
        inner.constants[id(var)] = atom if hasattr(atom, "dtype") else np.asarray(atom, var.dtype)[()]


def _target(inner: Scope, names: dict[int, str]) -> None:
    """Let results of a nested program have names at once where one is wanted for them, and for nothing else."""
    wanted: dict[int, list[str]] = {}
    for position, output in enumerate(inner.program.outputs):
        if isinstance(output, Var) and position in names:
            wanted.setdefault(id(output), []).append(names[position])
    known = [var for var in inner.program.inputs if id(var) in inner.expressions]
    for key, found in wanted.items():
        if len(found) == 1 and key not in map(id, inner.program.inputs):
            inner.targets[key] = found[0]
            inner.guards[key] = [var for var in known if found[0] in words(inner.expressions[id(var)].text)]


def _finish(inner: Scope, names: dict[int, str]) -> None:
    """Assign the results of a nested program to their names, all at once where one reads another's old value."""
    pairs = []
    for position, name in names.items():
        output = inner.program.outputs[position]
        right = inner.typed(output)
        if right.text != name:
            pairs.append((name, right))
        inner.taken(output)
    names_read = [words(right.text) for _, right in pairs]
    clash = any(name in read for i, (name, _) in enumerate(pairs) for j, read in enumerate(names_read) if j > i)
    if clash:
        left, right = ", ".join(name for name, _ in pairs), ", ".join(str(right) for _, right in pairs)
        inner.function.line(f"{left} = {right}")
    else:
        for name, right in pairs:
            inner.function.line(f"{name} = {right}")


def cond(scope: Scope, equation: Equation) -> None:
    """Write ``if`` and ``else``."""
    pred, *operands = equation.args
    scope.settle_all(keep=() if any(pred is other for other in operands) else (pred,))
    for operand in operands:
        scope.named(operand)
    test = scope.expression(pred, weak=True)
    scope.taken(pred)
    used = [i for i, out in enumerate(equation.outs) if scope.uses[id(out)]]
    names = {i: scope.name_for(equation.outs[i]) for i in used}
    no, yes = equation.static["branches"]
    for head, branch in ((f"if {test}:", yes), ("else:", no)):
        with scope.function.block(head):
            inner = Scope(scope.function, branch)
            inner.fixed |= scope.fixed
            for var, atom in zip(branch.inputs, operands):
                _bind(inner, scope, var, atom)
            _target(inner, names)
            inner.run()
            _finish(inner, names)
    for i in used:
        scope.expressions[id(equation.outs[i])] = Expression(names[i])


# Loops ----------------------------------------------------------------------------------------------------------------


def _writes_into(program: Program, var: Var) -> bool:
    """Whether a program writes into an array that it is given."""
    roots = {id(var)}
    for equation in program.equations:
        first = equation.args[0] if equation.args else None
        name = equation.op.name
        if name == "update" and id(first) in roots:
            return True
        if is_view(equation) and id(first) in roots:
            roots.add(id(equation.outs[0]))
        if name == "loop":
            start = equation.static["consts"]
            given = equation.args[start : start + equation.static["carry"]]
            body = equation.static["body"]
            if any(id(a) in roots and _writes_into(body, body.inputs[start + k]) for k, a in enumerate(given)):
                return True
    return False


def _stays_own(program: Program, position: int, var: Var) -> bool:
    """Whether a body that owns an array returns in its place one that it owns and that nothing else shares."""
    scope = {id(out): equation for equation in program.equations for out in equation.outs}
    output = program.outputs[position]
    if not isinstance(output, Var) or sum(output is other for other in program.outputs) > 1:
        return False
    maker = scope.get(id(output))
    if maker is None:
        return output is var
    if maker.op.name == "loop":
        start, body = maker.static["consts"], maker.static["body"]
        k = next(i for i, out in enumerate(maker.outs) if out is output)
        carried = k < maker.static["carry"] and body.inputs[start + k]
        return bool(carried) and _writes_into(body, carried) and _stays_own(body, k, carried)
    views = [e for e in program.equations if is_view(e) and any(out is o for out in e.outs for o in program.outputs)]
    return maker.op.name != "cond" and not is_view(maker) and not views


class Loop:
    """One loop that is being written."""

    def __init__(self, scope: Scope, equation: Equation) -> None:
        self.scope, self.equation, self.static = scope, equation, equation.static
        self.function = scope.function
        self.body: Program = self.static["body"]
        self.first, self.count = self.static["consts"], self.static["carry"]
        split = self.first + self.count
        self.consts, self.inits, self.xs = (
            equation.args[: self.first],
            equation.args[self.first : split],
            equation.args[split:],
        )
        self.carried, self.slices = self.body.inputs[self.first : split], self.body.inputs[split:]
        self.inner = Scope(self.function, self.body)
        self.inner.fixed |= scope.fixed
        self.counter = counters.find(scope, equation)
        if self.counter is not None:
            self.inner.uses[id(self.body.outputs[self.counter])] -= 1
        self.stacks = {k: "" for k in range(self.count, len(self.body.outputs)) if scope.uses[id(equation.outs[k])]}
        self.names: dict[int, str] = {}
        self.own: set[int] = set()

    def write(self) -> None:
        """Write the loop."""
        self.scope.settle_all()
        for arg in (*self.consts, *self.xs):
            self.scope.named(arg)
        for k in range(self.count):
            if k != self.counter:
                self.names[k] = self._start(k)
        steps = self._steps()
        for k in self.stacks:
            self.stacks[k] = self._stack(k, steps)
        for var, atom in zip(self.body.inputs, self.consts):
            _bind(self.inner, self.scope, var, atom)
        self._bind_carried(self.inner)
        outputs = self._write_test() if self.static["test"] is not None else self._write_for(steps)
        self._results(outputs)

    # Before the loop

    def _start(self, k: int) -> str:
        """Give a carried value its name and its first value."""
        scope, out, var, init = self.scope, self.equation.outs[k], self.carried[k], self.scope.resolved(self.inits[k])
        writes = _writes_into(self.body, var) and _stays_own(self.body, k, var)
        if isinstance(init, Var):
            right = scope.expressions[id(init)]
            shared = sum(scope.root(a) == scope.root(init) for a in self.equation.args if isinstance(a, Var)) > 1
            dead = scope.is_dead(init) and not shared and right.is_name and not scope.is_fixed(right.text)
            own = dead and scope.root(init) in scope.owned
        else:
            right = scope.expression(init if hasattr(init, "dtype") else np.asarray(init, var.dtype)[()])
            dead, own = False, isinstance(init, np.ndarray) and not right.is_name
        if writes:
            self.own.add(k)
        named = not out.name or out.name == right.text or bool(getattr(init, "name", ""))
        if dead and named and (own or not writes):
            return right.text
        name = (
            right.text
            if dead and named
            else self.function.names.take(out.name or var.name or getattr(init, "name", ""))
        )
        self.function.line(f"{name} = np.array({right})" if writes and not own else f"{name} = {right}")
        return name

    def _steps(self) -> str:
        """Return the number of steps as text."""
        length = self.static["length"]
        if self.static["test"] is not None:
            return ""
        if length is None:
            length = self._known_length()
        return str(length) if length is not None else f"len({self.scope.named(self.xs[0])})"

    def _known_length(self) -> int | None:
        return next((x.shape[0] for x in self.xs if x.shape[0] >= 0), None)

    def _stack(self, k: int, steps: str) -> str:
        out = self.equation.outs[k]
        name = self.scope.name_for(out)
        if self._by_list(k):
            self.function.line(f"{name} = []")
            return name
        lengths = [steps, *map(str, out.shape[1:])]
        dtype = {} if out.dtype == np.float64 else {"dtype": dtype_text(out.dtype)}
        text = call("np.empty", steps if len(lengths) == 1 else tuple_text(lengths), **dtype)
        self.function.line(f"{name} = {text}")
        return name

    def _by_list(self, k: int) -> bool:
        return self.static["test"] is not None or -1 in np.shape(self.body.outputs[k])

    def _bind_carried(self, inner: Scope) -> None:
        for k, var in enumerate(inner.program.inputs[self.first : self.first + self.count]):
            if k != self.counter:
                inner.expressions[id(var)] = Expression(self.names[k])
                if k in self.own:
                    inner.owned.add(id(var))

    # The loop

    def _write_test(self) -> dict[int, str]:
        test = Scope(self.function, self.static["test"])
        for var, atom in zip(test.program.inputs, self.consts):
            _bind(test, self.scope, var, atom)
        self._bind_carried(test)
        lines, self.function.lines = self.function.lines, []
        self.function.depth += 1
        test.run()
        more = test.expression(test.program.outputs[0], weak=True)
        self.function.depth -= 1
        prelude, self.function.lines = self.function.lines, lines
        with self.function.block("while True:" if prelude else f"while {more}:"):
            if prelude:
                self.function.lines += prelude
                self.function.line(f"if not {more}:")
                self.function.line("    break")
            self._write_body("")
        return self.names

    def _write_for(self, steps: str) -> dict[int, str]:
        with self._head(steps) as position:
            self._write_body(position)
        return self.names

    def _head(self, steps: str) -> AbstractContextManager:
        """Write ``for ... in ...`` and return the block; bind the counter and the slices."""
        names = self.function.names
        read = [x for x, var in zip(self.xs, self.slices) if self.inner.uses[id(var)]]
        if self.counter is not None:
            var = self.carried[self.counter]
            start = int(self.scope.resolved(self.inits[self.counter]))
            i = names.take(var.name) if var.name else names.position()
            self.inner.expressions[id(var)] = Expression(i)
            stop = str(start + int(steps)) if steps.isdigit() else (f"{start} + {steps}" if start else steps)
            bounds = f"{start}, {stop}" if start else stop
            plain = counters.is_plain(self.body, var, self.count)
            return _Headed(self.function, f"for {i} in {'range' if plain else 'np.arange'}({bounds}):", i)
        if not self.stacks and len(read) == 1 and not self.static["reverse"]:
            (k,) = (k for k, var in enumerate(self.slices) if self.inner.uses[id(var)])
            name = names.take(self.slices[k].name)
            self.inner.expressions[id(self.slices[k])] = Expression(name)
            self.xs = ()
            return _Headed(self.function, f"for {name} in {self.scope.named(read[0])}:", name)
        i = names.position() if read or self.stacks else "_"
        backwards = self.static["reverse"] and i != "_"
        return _Headed(
            self.function, f"for {i} in {f'reversed(range({steps}))' if backwards else f'range({steps})'}:", i
        )

    def _write_body(self, position: str) -> None:
        inner = self.inner
        for x, var in zip(self.xs, self.slices):
            right = Expression(f"{self.scope.named(x)}[{position}]")
            if inner.uses[id(var)] == 1 and not var.name:
                inner.expressions[id(var)] = right
            elif inner.uses[id(var)]:
                inner.define(var, right)
                inner.owned.discard(id(var))
        carried = {k: name for k, name in self.names.items() if self.body.outputs[k] is not self.carried[k]}
        _target(inner, carried)
        inner.run()
        for k, name in self.stacks.items():
            output = self.body.outputs[k]
            right = inner.typed(output)
            self.function.line(f"{name}.append({right})" if self._by_list(k) else f"{name}[{position}] = {right}")
            inner.taken(output)
        _finish(inner, carried)

    # After the loop

    def _results(self, names: dict[int, str]) -> None:
        scope, outs = self.scope, self.equation.outs
        for k, name in names.items():
            scope.expressions[id(outs[k])] = Expression(name)
            if k in self.own:
                scope.owned.add(id(outs[k]))
        if self.counter is not None:
            start, steps = (
                self.scope.resolved(self.inits[self.counter]),
                self.static["length"] or self._known_length() or 0,
            )
            scope.constants[id(outs[self.counter])] = outs[self.counter].dtype.type(start + steps)
        for k, name in self.stacks.items():
            out = outs[k]
            if self._by_list(k):
                like = zeros_text((0, *(max(n, 0) for n in out.shape[1:])), out.dtype)
                self.function.line(f"{name} = np.stack({name}) if {name} else {like}")
                if self.static["reverse"]:
                    self.function.line(f"{name} = {name}[::-1]")
            scope.expressions[id(out)] = Expression(name)


class _Headed:
    """The block of a loop, with the name of its position, which is free afterwards."""

    def __init__(self, function: Function, head: str, position: str) -> None:
        self.function, self.block, self.position = function, function.block(head), position

    def __enter__(self) -> str:
        self.block.__enter__()
        return self.position

    def __exit__(self, *exception: Any) -> None:
        self.block.__exit__(*exception)
        self.function.names.taken.discard(self.position)


STATEMENTS.update(scatter=scatter, update=update, cond=cond, loop=lambda scope, equation: Loop(scope, equation).write())
