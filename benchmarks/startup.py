"""What it costs to begin: `import mixgrad` beyond NumPy itself, the first gradient, the first program.

python benchmarks/startup.py [--json FILE]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from report import number, table, write_json, write_section

HERE = Path(__file__).resolve().parent
ROUNDS = 15

CASES = {
    "import numpy": ("", "import numpy"),
    "import mixgrad, after numpy": ("import numpy", "import mixgrad"),
    "first gradient (loads the engine)": (
        "import numpy as np, mixgrad as mg",
        "assert mg.grad(lambda x: x * np.sin(x))(0.0) == 0.0",
    ),
    "second gradient": (
        "import numpy as np, mixgrad as mg; mg.grad(lambda x: x * np.sin(x))(0.0)",
        "assert mg.grad(lambda x: x * np.cos(x))(0.0) == 1.0",
    ),
    "import autograd.numpy, after numpy": ("import numpy", "import autograd.numpy, autograd"),
    "import sklearn.mixture, after numpy": ("import numpy", "import sklearn.mixture"),
    "mg.GaussianMixture (loads scikit-learn)": ("import numpy, mixgrad as mg", "mg.GaussianMixture"),
}


def seconds(before: str, code: str) -> float:
    """Time `code` in a fresh process, after `before`."""
    program = f"{before}\nimport time\nt = time.perf_counter()\n{code}\nprint(time.perf_counter() - t)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(result.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "startup.json")
    options = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(ROUNDS):  # in turn, so that a slow second of the machine meets all of them
        for name, (before, code) in CASES.items():
            times[name].append(seconds(before, code))
    rows = [
        (name, number(1000 * min(values)), number(1000 * statistics.median(values))) for name, values in times.items()
    ]
    text = table(("step, in a fresh process", "minimum, ms", "median, ms"), rows)
    print(text)
    results = {name: {"minimum_s": min(v), "median_s": statistics.median(v)} for name, v in times.items()}
    write_json({"rounds": ROUNDS, "steps": results}, options.json)
    write_section("startup", f"## Start-up (`benchmarks/startup.py`)\n\n{text}")


if __name__ == "__main__":
    main()
