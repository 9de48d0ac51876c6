"""Machine code on disk: used by another process, never trusted blindly, bounded in size."""

import concurrent.futures
import os
import subprocess
import sys

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.compile import cache, machine

from . import leaks


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


@pytest.mark.parametrize("count", [80, pytest.param(2000, marks=pytest.mark.long)])
def test_compilations_leave_nothing_behind(count, monkeypatch):
    """Modules and engines of LLVM die with the functions that use them; a run of hours is in `leaks`."""
    monkeypatch.setenv("MIXGRAD_CACHE", "")
    with leaks.counting() as alive:
        leaks.growth(0, 40)
        blocks, kilobytes = leaks.growth(40, count)
        assert alive() == 0
        kept = mg.jit(lambda x: x + 1.0)
        kept(np.ones(3))
        assert alive() == 2  # a module and an engine
    assert blocks < leaks.BLOCKS
    assert not kilobytes > leaks.KILOBYTES


# Accidents ------------------------------------------------------------------------------------------------------------

COMPILES = """
import os, random, signal, sys, time
import numpy as np
import mixgrad as mg
from mixgrad.compile import machine

def compiled(number):
    return mg.jit(mg.grad(lambda x: np.sum(np.sin(x * number))))(np.arange(3.0))

machine._ready()
compiled(-1)
for turn in range(int(sys.argv[1])):  # each process compiles, until it is killed while it does so
    child = os.fork()
    if not child:
        for number in range(1000):
            compiled(number)
        os._exit(0)
    time.sleep(random.Random(turn).uniform(0.0, 0.3))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""

USES = """
import numpy as np
import mixgrad as mg
from mixgrad.compile import machine

runs = []
original = machine.optimised
machine.optimised = lambda *args: runs.append(1) or original(*args)
x = np.arange(3.0)
for number in range(40):
    got = mg.jit(mg.grad(lambda x: np.sum(np.sin(x * number))))(x)
    np.testing.assert_allclose(got, number * np.cos(x * number), rtol=1e-13, atol=1e-12)
print(len(runs))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the test forks")
@pytest.mark.parametrize("kills", [12, pytest.param(200, marks=pytest.mark.long)])
def test_killed_processes_leave_a_folder_of_use(place, kills):
    run = lambda code, *args: subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, check=True
    )
    run(COMPILES, str(kills))
    whole = [path.name for path in files(place) if not path.name.startswith(".")]
    assert len(whole) > 1
    assert all(cache.read(name) for name in whole)
    assert int(run(USES).stdout) <= 40 - (len(whole) - 1)  # what was kept is used
    assert run(USES).stdout == "0\n"  # and the rest is kept now


def test_what_killed_processes_leave_is_removed_in_time(place, monkeypatch):
    place.mkdir(mode=0o700)
    unfinished = place / ".code.abc.part"
    unfinished.write_bytes(bytes(2000))
    os.utime(unfinished, (0, 0))
    monkeypatch.setattr(cache, "LARGEST", 2500)
    cache.write("code", bytes(1000))
    assert [path.name for path in files(place)] == ["code"]


def test_a_folder_of_somebody_else_is_not_used(place, passes, monkeypatch):
    place.mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: place.stat().st_uid + 1)
    compiled()
    assert not files(place)
    assert cache.folder() is None


@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_code_in_a_folder_that_others_can_write_to_is_not_read(place, passes, mode):
    compiled()
    place.chmod(mode)
    compiled()
    assert len(passes) == 2


def test_a_folder_that_cannot_be_written_to_is_read(place, passes, monkeypatch):
    compiled()
    place.chmod(0o500)
    refused = PermissionError(13, "Permission denied")
    monkeypatch.setattr(os, "utime", lambda *args: raising(refused))  # the superuser may do all this
    monkeypatch.setattr("tempfile.mkstemp", lambda *args, **kwargs: raising(refused))
    np.testing.assert_array_equal(compiled(), [0.0, 3.0, 12.0])
    assert len(passes) == 1
    assert mg.jit(lambda x: x + 1.5)(1.0) == 2.5
    assert len(files(place)) == 1
    place.chmod(0o700)


def raising(error):
    raise error


@pytest.mark.parametrize("where", ["os.fsync", "os.replace", "tempfile.mkstemp"])
def test_a_full_disk_is_no_error(place, passes, monkeypatch, where):
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(where, lambda *args, **kwargs: raising(full))
    for _ in range(2):
        np.testing.assert_array_equal(compiled(), [0.0, 3.0, 12.0])
    assert len(passes) == 2
    assert not files(place)
