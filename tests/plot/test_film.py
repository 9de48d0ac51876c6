"""Animations: every iteration stands in them, the same fit gives the same file, whole or not at all."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from mixgrad import plot
from mixgrad._errors import DataError
from mixgrad.datasets import load_faithful
from mixgrad.mixture import GaussianMixture
from mixgrad.plot import film
from mixgrad.plot.frames import FRAME_SUFFIXES, recorder_for
from mixgrad.plot.history import FILM_ITERATIONS, GRID_ITERATIONS, record_fit
from mixgrad.plot.panels import feature_limits
from mixgrad.plot.stages import between, make_stages

X = load_faithful().data
MODEL = GaussianMixture(2, means_init=[[3.0, 80.0], [4.0, 60.0]], tol=1e-9, random_state=0)


@pytest.fixture(scope="module", autouse=True)
def small():
    """Small pictures are drawn in less time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(film, "_DOTS_PER_INCH", {"gif": 40, "html": 50})
        yield


@pytest.fixture(scope="module")
def stages():
    fitted, history = record_fit(MODEL, X, (0, 1, 2))
    return make_stages(history, fitted, X, ["<a>", "b"])


@pytest.fixture(scope="module")
def files(stages, tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for suffix in ("gif", "html"):
        film.save_film(stages, folder / f"em.{suffix}")
    return folder


def test_a_gif_shows_the_shots_for_their_times(stages, files):
    shots = list(film.plan_shots(stages))
    with Image.open(files / "em.gif") as gif:
        assert gif.n_frames == len(shots)
        assert gif.info["loop"] == 0
        for place, shot in enumerate(shots):
            gif.seek(place)
            assert gif.info["duration"] == shot.milliseconds
            assert gif.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
        assert gif.size == (384, 216)


def test_a_page_holds_everything_it_needs(stages, files):
    page = (files / "em.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|<link|src=|{{", page.replace("frame.image.src =", ""))
    shots = list(film.plan_shots(stages))
    frames = json.loads(re.search(r"const frames = (.*);\n", page)[1])
    assert [frame["milliseconds"] for frame in frames] == [shot.milliseconds for shot in shots]
    assert [frame["moment"] for frame in frames if frame["moment"] % 1 == 0] == [0, 1, 2]
    assert [frame["moment"] for frame in frames] == sorted(frame["moment"] for frame in frames)
    for frame in (frames[0], frames[-1]):
        with Image.open(io.BytesIO(base64.b64decode(frame["picture"]))) as picture:
            assert picture.size == (480, 270)


def test_the_same_fit_gives_the_same_file(files, tmp_path):
    for suffix in ("gif", "html"):
        plot.animate(MODEL, X, tmp_path / f"again.{suffix}", ["<a>", "b"], iterations=(2, 1, 0))
        assert (tmp_path / f"again.{suffix}").read_bytes() == (files / f"em.{suffix}").read_bytes()


def test_ellipses_glide_in_small_steps_from_one_iteration_to_the_next(stages):
    shots = list(film.plan_shots(stages))
    assert [shot.moment for shot in shots if shot.moment % 1 == 0] == [0, 1, 2]
    assert len(shots) > 5
    start, end = stages.scenes[0], stages.scenes[1]
    assert {tuple(feature_limits(shot.scene, f) for f in (0, 1)) for shot in shots} == {start.limits}
    for share, scene in ((0.0, start), (1.0, end)):
        for name in ("weights", "means", "covariances", "point_colors"):
            np.testing.assert_allclose(getattr(between(start, end, share), name), getattr(scene, name), rtol=1e-12)
    half = between(start, end, 0.5)
    assert (np.linalg.eigvalsh(half.covariances) > 0).all()
    np.testing.assert_allclose(half.means, (start.means + end.means) / 2)


def test_the_curve_grows_with_the_film(stages):
    camera = film._Camera(stages, 40)
    values = stages.history.log_likelihoods
    for moment, expected in ((0.0, values[:1]), (1.5, [values[0], values[1], (values[1] + values[2]) / 2])):
        camera._draw(film.Shot(stages.scenes[0], moment, 0))
        curve = camera._course.lines[0]
        x, y = np.unique(curve.get_xdata(), return_index=True)
        np.testing.assert_allclose(curve.get_ydata()[y], expected)
        assert x[-1] == moment
        assert camera._mixture.texts[-1].get_text() == ("start" if moment == 0 else "iteration 1")
        for axes in (camera._mixture, camera._course):
            camera._clear(axes)


def test_a_start_far_below_the_rest_does_not_flatten_the_curve():
    low, high = film._course_limits(np.array([-1e9, -1200.0, -1150.0, -1130.0]))
    assert -1300 < low < -1200
    assert -1130 < high < -1100
    low, high = film._course_limits(np.array([-1210.0, -1200.0, -1130.0]))
    assert low < -1210


def test_one_feature_and_a_single_picture(tmp_path):
    plot.animate(GaussianMixture(1), X[:, :1], tmp_path / "a.gif", iterations=[1])
    with Image.open(tmp_path / "a.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 1


def test_a_failure_leaves_the_old_file(stages, tmp_path, monkeypatch):
    path = tmp_path / "em.gif"
    path.write_bytes(b"old")
    seen = []

    def fail(fraction):
        seen.append(fraction)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        film.save_film(stages, path, fail)
    assert 0 < seen[0] < seen[1] < seen[2] < 1
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["em.mp4", "em", "em.png"])
def test_other_suffixes_are_refused_before_the_fit(tmp_path, name):
    with pytest.raises(DataError, match=r"animations are written as .gif or .html"):
        plot.animate(None, None, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_fit_that_reaches_none_of_the_iterations(tmp_path):
    with pytest.raises(DataError, match="after 2 iterations, and reaches none of those to draw"):
        plot.animate(GaussianMixture(1), X, tmp_path / "em.gif", iterations=[50])
    with pytest.raises(DataError, match="reaches none of those to draw"):
        plot.em(GaussianMixture(1), X, iterations=[50, 60])


def test_the_suffix_says_what_is_recorded():
    assert FRAME_SUFFIXES == (".gif", ".html", ".png", ".svg", ".pdf")
    assert recorder_for("a.GIF").wanted == tuple(FILM_ITERATIONS)
    assert recorder_for("a.svg").wanted == GRID_ITERATIONS
    with pytest.raises(DataError, match=r"frames are written as .gif, .html, .png, .svg or .pdf.*got '.txt'"):
        recorder_for("a.txt")
