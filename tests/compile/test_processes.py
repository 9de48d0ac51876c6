"""Compiled functions in other processes and threads: fork, spawn, joblib, pools of threads; the same bits everywhere.

Each test that starts processes does so from a script of its own: a child begins by loading it, and knows no pytest.
"""

import concurrent.futures
import copy
import pickle
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.compile import threads

MODEL = """
import os, sys, threading
import numpy as np
import mixgrad as mg
from mixgrad.compile import threads

threads.WORTH_SHARING = 0  # short loops are shared among threads as well
mg.set_threads(4)

def mixture(means, x):
    return np.sum(mg.logsumexp(-0.5 * np.sum((x[:, None, :] - means) ** 2, axis=2), axis=1))

gradient = mg.jit(mg.grad(mixture))

@mg.jit
def decorated(x):
    return np.sum(np.tanh(x) * x)

means = np.cos(np.arange(15.0)).reshape(5, 3)
x = np.sin(np.arange(3000.0)).reshape(1000, 3)

def new_one(number):
    return mg.jit(mg.grad(lambda x: np.sum(np.exp(x[: number + 5] * number))))(x[:, 0])
"""


def run_script(folder, code):
    """Run a script that imports the model above; return what it prints."""
    (folder / "model.py").write_text(MODEL)
    script = folder / "script.py"
    script.write_text(textwrap.dedent(code))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_forked_child_goes_on_after_threads_have_run(tmp_path):
    """The threads of a parent do not exist in its child: none may be waited for."""
    code = """
    from model import *

    want = gradient(means, x).tobytes()
    workers = [threading.Thread(target=lambda: [gradient(means, x) for _ in range(20)]) for _ in range(4)]
    for worker in workers:
        worker.start()
    forked = []
    for number in range(6):  # while threads run, and after that
        child = os.fork()
        if not child:
            same = gradient(means, x).tobytes() == want
            mg.set_threads(2)
            os._exit(0 if same and gradient(means, x).tobytes() == want else 1)
        forked.append(child)
        if number == 3:
            for worker in workers:
                worker.join()
    expected = new_one(7).tobytes()
    child = os.fork()
    if not child:
        os._exit(0 if new_one(7).tobytes() == expected else 1)  # compiled in the child
    print([os.waitpid(child, 0)[1] for child in (*forked, child)], gradient(means, x).tobytes() == want)
    """
    assert run_script(tmp_path, code) == f"{[0] * 7} True\n"


@pytest.mark.skipif(sys.platform != "linux", reason="looks where Linux lists threads")
def test_threads_are_started_once_and_stay(tmp_path):
    code = """
    from model import *

    seen = lambda: set(os.listdir("/proc/self/task"))
    before = seen()
    gradient(means, x)
    started = seen() - before
    for _ in range(20):
        gradient(means, x)
    with mg.threads(2):
        gradient(means, x)
    child = os.fork()
    if not child:
        gradient(means, x)
        os._exit(len(seen()) - 1)
    print(len(started), started <= seen() <= before | started, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert run_script(tmp_path, code) == "3 True 3\n"


def test_a_child_compiles_although_another_thread_did_when_it_was_forked(tmp_path):
    code = """
    import time
    from model import *

    numbers, going = iter(range(1, 1000)), True

    def compile_on():
        while going:
            new_one(next(numbers))

    new_one(0)
    thread = threading.Thread(target=compile_on)
    thread.start()
    children = []
    for _ in range(4):
        time.sleep(0.05)
        child = os.fork()
        if not child:
            new_one(0)
            os._exit(0)
        children.append(child)
    print([os.waitpid(child, 0)[1] for child in children])
    going = False
    thread.join()
    """
    assert run_script(tmp_path, code) == f"{[0] * 4}\n"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_multiprocessing(tmp_path, method):
    code = f"""
    import multiprocessing
    from model import *

    if __name__ == "__main__":
        want = gradient(means, x), decorated(x)
        with multiprocessing.get_context({method!r}).Pool(2) as pool:
            found = pool.starmap(gradient, [(means, x)] * 4), pool.map(decorated, [x] * 4)
            other = pool.map(new_one, [3])[0]
        print(all(np.array_equal(a, b) for a, many in zip(want, found) for b in many), len(many := found[0]))
        print(np.array_equal(other, new_one(3)))
    """
    assert run_script(tmp_path, code) == "True 4\nTrue\n"


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_of_joblib(tmp_path, backend):
    code = f"""
    import joblib
    from model import *

    @mg.jit
    def own(x):
        return np.sum(x**3)

    if __name__ == "__main__":
        tasks = [joblib.delayed(gradient)(means, x), joblib.delayed(decorated)(x)] * 3
        tasks.append(joblib.delayed(own)(x))
        found = joblib.Parallel(2, backend={backend!r})(tasks)
        want = [gradient(means, x), decorated(x)] * 3 + [own(x)]
        print(all(np.array_equal(a, b) for a, b in zip(found, want)), len(found) > 5)
    """
    assert run_script(tmp_path, code) == "True True\n"


# Threads --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def shared(monkeypatch):
    monkeypatch.setattr(threads, "WORTH_SHARING", 0)
    with mg.threads(4):
        yield


def kinds():
    """Return functions of one array: loops over rows, a loop of its own, a part for NumPy."""

    def rows(x):
        return np.sum(np.tanh(x) * np.mean(x, axis=0))

    def steps(x):
        return mg.fori_loop(0, 20, lambda i, s: np.sin(s) + x[i, 0], x[0, 0])

    def solved(x):
        return np.sum(np.linalg.solve(np.eye(3) * 5 + x[:3], x[0]) ** 2)

    return [mg.grad(rows), steps, solved]


@pytest.mark.parametrize("same", [True, False], ids=["one function", "different functions"])
def test_eight_threads_at_once(shared, same, random):
    """They compile at once, and call what is compiled at once."""
    x = random.normal(size=(500, 3))
    plain = kinds()[:1] if same else kinds()
    wants = [f(x) for f in plain]
    functions = [mg.jit(f) for f in plain]
    start = threading.Barrier(8)

    def work(number):
        start.wait()
        found = []
        for turn in range(12):
            which = (turn + number) % len(functions)
            found.append((which, np.asarray(functions[which](x))))
        return found

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = [pair for found in pool.map(work, range(8)) for pair in found]
    assert len(results) == 96
    first = dict(results)
    for which, got in results:
        np.testing.assert_array_equal(got, first[which])
        np.testing.assert_allclose(got, wants[which], rtol=1e-12, atol=1e-12)


# Copies ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [lambda f: pickle.loads(pickle.dumps(f)), copy.copy, copy.deepcopy])
def test_copies_of_compiled_functions_compile_anew(way):
    function = mg.jit(np.cbrt)
    assert function(8.0) == 2.0
    again = way(function)
    assert not again.variants
    assert again(27.0) == pytest.approx(3.0)
