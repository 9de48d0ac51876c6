"""Machine code on disk: used by another process, never trusted blindly, bounded in size."""

import concurrent.futures
import os
import subprocess
import sys

import llvmlite.binding as llvm
import numpy as np
import pytest

import mixgrad as mg
from mixgrad.compile import cache, machine


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MIXGRAD_CACHE", str(tmp_path / "code"))
    return tmp_path / "code"


def files(place):
    return sorted(path for path in place.iterdir()) if place.exists() else []


def compiled():
    return mg.jit(mg.grad(lambda x: np.sum(x**3)))(np.arange(3.0))


@pytest.fixture
def passes(monkeypatch):
    """Count how often LLVM runs."""
    runs = []
    original = machine.optimised
    monkeypatch.setattr(machine, "optimised", lambda *args: runs.append(1) or original(*args))
    return runs


def test_code_is_compiled_once(place, passes):
    for _ in range(3):
        np.testing.assert_array_equal(compiled(), [0.0, 3.0, 12.0])
    assert len(passes) == 1
    assert len(files(place)) == 1
    assert place.stat().st_mode & 0o077 == 0


def test_another_process_uses_it(place, passes):
    program = (
        "import numpy as np, mixgrad as mg; from mixgrad.compile import machine; machine.optimised = None; "
        "print(mg.jit(mg.grad(lambda x: np.sum(x**3)))(np.arange(3.0)))"
    )
    compiled()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[ 0.  3. 12.]\n"


@pytest.mark.parametrize(
    "damage",
    [lambda b: b"", lambda b: b[:-1], lambda b: b[:40], lambda b: b[:-20] + b"x" + b[-19:], lambda b: b"garbage" * 99],
)
def test_damaged_files_are_compiled_again(place, passes, damage):
    compiled()
    (file,) = files(place)
    file.write_bytes(damage(file.read_bytes()))
    np.testing.assert_array_equal(compiled(), [0.0, 3.0, 12.0])
    assert len(passes) == 2
    np.testing.assert_array_equal(compiled(), [0.0, 3.0, 12.0])
    assert len(passes) == 2


def test_a_folder_that_others_can_write_to_is_not_used(place, passes):
    place.mkdir()
    place.chmod(0o777)
    compiled()
    assert not files(place)


def test_it_can_be_switched_off(monkeypatch, passes):
    monkeypatch.setenv("MIXGRAD_CACHE", "")
    assert cache.folder() is None
    compiled()
    compiled()
    assert len(passes) == 2


def test_a_place_that_is_no_folder_is_no_error(place):
    place.write_text("a file")
    np.testing.assert_array_equal(compiled(), [0.0, 3.0, 12.0])


def test_the_oldest_files_go_first(place, monkeypatch):
    monkeypatch.setattr(cache, "LARGEST", 2500)
    for number in range(4):
        cache.write(f"code{number}", bytes(1000))
        os.utime(place / f"code{number}", (number, number))
    assert [path.name for path in files(place)] == ["code2", "code3"]


def test_several_write_at_once(place):
    content = [bytes([number]) * 50_000 for number in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda code: cache.write("code", code), content * 4))
    assert cache.read("code") in content
    assert len(files(place)) == 1


def test_keys_depend_on_text_and_processor():
    keys = {cache.key(text, cpu) for text in ("a", "b") for cpu in ("x", "y")}
    assert len(keys) == 4
    assert cache.key("a", "x") in keys


def test_compilations_leave_nothing_behind(monkeypatch):
    """Engines die with the functions that use them."""
    import gc
    import weakref

    monkeypatch.setenv("MIXGRAD_CACHE", "")
    engines = []
    original = llvm.create_mcjit_compiler

    def counted(*args):
        engine = original(*args)
        engines.append(weakref.ref(engine))
        return engine

    monkeypatch.setattr(llvm, "create_mcjit_compiler", counted)
    for n in range(1, 11):
        mg.jit(lambda x: x + 1.0)(np.ones(n))
    gc.collect()
    assert len(engines) == 10
    assert sum(engine() is not None for engine in engines) == 0
