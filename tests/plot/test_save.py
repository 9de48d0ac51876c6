"""Files are written whole or not at all."""

import os

import pytest
from matplotlib.figure import Figure

from mixgrad import plot
from mixgrad._errors import DataError
from mixgrad._files import replacing


@pytest.fixture
def figure():
    figure = Figure(figsize=(2, 2))
    figure.add_subplot().plot([1, 3, 2])
    return figure


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_suffix_is_the_format_and_the_same_figure_the_same_file(figure, tmp_path, suffix, start):
    first, second = tmp_path / f"first.{suffix}", tmp_path / f"second.{suffix}"
    plot.save(figure, first)
    plot.save(figure, str(second))
    assert first.read_bytes().startswith(start)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["a.jpg", "a", ".png", "a.png.gz", "a."])
def test_other_suffixes_are_refused(figure, tmp_path, name):
    with pytest.raises(DataError, match=r"pictures are written as .png, .svg or .pdf"):
        plot.save(figure, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_content_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail():
        with replacing(path) as file:
            file.write(b"half of the ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_content_stands_until_the_end(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_new_files_have_the_usual_permissions(tmp_path):
    with replacing(tmp_path / "ours") as file:
        file.write(b"x")
    (tmp_path / "usual").write_bytes(b"x")
    assert os.stat(tmp_path / "ours").st_mode == os.stat(tmp_path / "usual").st_mode


def test_long_names(tmp_path):
    path = tmp_path / ("n" * 250)
    with replacing(path) as file:
        file.write(b"x")
    assert path.read_bytes() == b"x"
