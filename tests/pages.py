"""Pages of the documentation as programs: their blocks of code run, and print what stands beneath them."""

import contextlib
import io
import pathlib
import re
import runpy

BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", re.DOTALL)


def run_page(text: str, folder: pathlib.Path) -> list[str]:
    """Run the blocks of a page as one module, in a folder; return what each of them prints."""
    mark = "--- end of a block ---"
    module = folder / "page.py"
    module.write_text("".join(f"{code}\nprint({mark!r})\n" for code, _ in BLOCK.findall(text)))
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        runpy.run_path(str(module))
    return printed.getvalue().split(f"{mark}\n")[:-1]


def expected(text: str) -> list[str]:
    """Return what the page says that its blocks print."""
    return [output for _, output in BLOCK.findall(text)]
