"""Where results go: JSON for machines; tables in docs/benchmarks.md, between a pair of markers for each benchmark."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mixgrad._files import replacing

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "benchmarks.md"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are numbers."""
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with that many significant digits and without an exponent; a dash for None."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    return f"{float(f'{value:.{digits}g}'):.10f}".rstrip("0").rstrip(".")


def machine_line(machine: dict[str, Any], neighbours: float | None) -> str:
    """Return the facts of the machine as a sentence."""
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    blas = ", ".join(sorted({f"{pool['internal_api']} {pool['version']}" for pool in machine["blas"]})) or "unknown"
    threads = max((pool["num_threads"] for pool in machine["blas"]), default=1)
    line = (
        f"{machine['cpu']}, {machine['cores']} cores; Python {machine['python']}, {packages}; BLAS: {blas}, {threads} "
        f"threads. Copying (read and written) {machine['copy_GB_per_s']:.1f} GB/s; dgemm "
        f"{machine['dgemm_GFLOP_per_s']:.0f} GFLOP/s, {machine['dgemm_one_thread_GFLOP_per_s']:.0f} on one thread."
    )
    if neighbours is not None:
        line += f" Other programs used {neighbours:.0%} of the processors meanwhile."
    if neighbours is None or neighbours > 0.05:
        line += " **Provisional: the machine was not known to be idle.**"
    return line


def write_json(results: dict[str, Any], path: Path) -> None:
    """Write results, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, json.dumps(results, indent=1) + "\n")


def write_section(name: str, text: str, document: Path = DOCUMENT) -> None:
    """Put `text` between the markers of `name`, which are added at the end of the document if it has none."""
    first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
    content = document.read_text() if document.exists() else "# Measured costs\n"
    if first not in content:
        content = f"{content.rstrip()}\n\n{first}\n{last}\n"
    before, _, rest = content.partition(first)
    _, found, after = rest.partition(last)
    if not found:
        raise ValueError(f"{document} has the marker {first} but not {last} after it")
    _write(document, f"{before}{first}\n{text.strip()}\n{last}{after}")


def _write(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode())
