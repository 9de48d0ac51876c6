"""Pictures of mixtures: what is drawn is what the model says, for every shape of model and data."""

import copy
import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, StepPatch

from mixgrad import plot
from mixgrad._errors import DataError
from mixgrad.datasets import load_faithful
from mixgrad.mixture import GaussianMixture
from mixgrad.plot import scene as scene_module
from mixgrad.plot.style import component_colors, mix

COVARIANCES = ("full", "tied", "diag", "spherical")


def make_data(d, n=120, seed=20240605):
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(n, d)).round(3)
    data[: n // 3] += 5 * np.arange(1, d + 1)
    return data


def fit(data, k=2, covariance_type="full", **options):
    return GaussianMixture(k, covariance_type=covariance_type, random_state=0, **options).fit(data)


def render(figure):
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=40)
    return stream.getvalue()


def texts(figure):
    return "\n".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


@pytest.fixture(scope="module")
def faithful():
    data = load_faithful()
    return data, fit(data.data)


@pytest.mark.parametrize(("d", "covariance_type"), [*((d, kind) for d in (1, 2) for kind in COVARIANCES), (3, "full")])
def test_every_shape_is_drawn(covariance_type, d):
    data = make_data(d)
    figure = plot.mixture(fit(data, 2, covariance_type), data)
    assert isinstance(figure, Figure)
    if covariance_type in ("full", "tied"):
        assert render(figure).startswith(b"\x89PNG")
    panels = {1: 1, 2: 1, 3: 6}[d]
    assert len(figure.axes) == panels + 1  # and the log-likelihood
    assert f"{covariance_type} covariance" in texts(figure)
    assert f"feature {d}" in texts(figure)


@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_ellipses_are_at_one_two_and_three_standard_deviations(covariance_type):
    data = make_data(2)
    model = fit(data, 2, covariance_type)
    figure = plot.mixture(model, data)
    ellipses = [patch for patch in figure.axes[0].patches if isinstance(patch, Ellipse) and patch.get_linewidth() > 0]
    assert len(ellipses) == 6
    full = {
        "full": lambda k: model.covariances_[k],
        "tied": lambda k: model.covariances_,
        "diag": lambda k: np.diag(model.covariances_[k]),
        "spherical": lambda k: np.eye(2) * model.covariances_[k],
    }[covariance_type]
    for number, ellipse in enumerate(ellipses):
        component, deviation = divmod(number, 3)
        # The five-point outline of an ellipse, in the units of the data.
        outline = ellipse.get_patch_transform().transform([[1, 0], [0, 1], [-1, 0], [0, -1], [0.6, 0.8]])
        offset = outline - model.means_[component]
        distance = np.sqrt(np.einsum("ni,ij,nj->n", offset, np.linalg.inv(full(component)), offset))
        np.testing.assert_allclose(distance, deviation + 1, rtol=1e-6)


def test_points_are_coloured_by_responsibility(faithful):
    data, model = faithful
    (points,) = (c for c in plot.mixture(model, data.data).axes[0].collections if isinstance(c, PathCollection))
    offsets, colors = np.asarray(points.get_offsets()), points.get_facecolor()[:, :3]
    assert sorted(map(tuple, offsets)) == sorted(map(tuple, data.data))
    palette, responsibilities = component_colors(2), model.predict_proba(offsets)
    certain = responsibilities.max(axis=1) > 0.9999
    np.testing.assert_allclose(colors[certain], palette[responsibilities.argmax(axis=1)[certain]], atol=0.02)
    shared = np.flatnonzero(responsibilities.max(axis=1) < 0.9)
    assert len(shared)
    np.testing.assert_allclose(colors[shared], mix(responsibilities[shared], palette))


def test_mixed_colours_lie_between():
    palette = component_colors(3)
    np.testing.assert_allclose(mix(np.eye(3), palette), palette, atol=1e-12)
    between = mix(np.array([[0.5, 0.5, 0.0]]), palette)[0]
    assert (between >= palette[:2].min(axis=0) - 1e-12).all()
    assert (between <= palette[:2].max(axis=0) + 1e-12).all()


def test_colours_of_many_components_differ():
    colors = component_colors(21)
    assert colors.shape == (21, 3)
    assert len(np.unique(colors.round(6), axis=0)) == 21
    assert ((colors >= 0) & (colors <= 1)).all()
    assert component_colors(50).shape == (50, 3)


def test_the_log_likelihood_is_the_total_by_iteration(faithful):
    data, model = faithful
    axes = plot.mixture(model, data.data).axes[-1]
    (line,) = (line for line in axes.lines if len(line.get_xdata()) == model.n_iter_ and model.n_iter_ > 2)
    np.testing.assert_allclose(line.get_ydata(), np.array(model.lower_bounds_) * 272)
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, model.n_iter_ + 1))
    assert f"−{abs(model.lower_bounds_[-1] * 272):.3f}" in texts(axes.figure)


def test_iterations_that_finish_a_search_are_no_course_to_draw(faithful):
    data, model = faithful
    model = copy.copy(model).set_params(n_init="auto")
    assert len(plot.mixture(model, data.data).axes) == len(plot.mixture(faithful[1], data.data).axes) - 1


def test_one_feature_shows_densities_that_add_up():
    data = make_data(1, n=400)
    model = fit(data, 2)
    axes = plot.mixture(model, data, ["length"]).axes[0]
    first, second, total = axes.lines[:3]
    np.testing.assert_allclose(first.get_ydata() + second.get_ydata(), total.get_ydata())
    grid = total.get_xdata()
    np.testing.assert_allclose(total.get_ydata(), np.exp(model.score_samples(grid[:, np.newaxis])), rtol=1e-9)
    (bars,) = (patch for patch in axes.patches if isinstance(patch, StepPatch))
    heights, edges, _ = bars.get_data()
    np.testing.assert_allclose(np.sum(heights * np.diff(edges)), 1)
    (rug,) = (c for c in axes.collections if isinstance(c, LineCollection))
    assert len(rug.get_segments()) == 400
    assert axes.get_xlabel() == "length"


def test_bins_of_rounded_data_hold_equally_many_values():
    waiting = load_faithful().data[:, 1:]
    axes = plot.mixture(fit(waiting), waiting).axes[0]
    (bars,) = (patch for patch in axes.patches if isinstance(patch, StepPatch))
    _, edges, _ = bars.get_data()
    widths = np.diff(edges)
    np.testing.assert_allclose(widths, widths[0])
    assert widths[0] == round(widths[0])
    assert edges[0] % 1 == 0.5


def test_many_features_show_those_that_differ_most():
    rng = np.random.default_rng(20240606)
    data = rng.normal(size=(200, 8))
    data[:80, [1, 6]] += 6
    figure = plot.mixture(fit(data), data, [f"name {i}" for i in range(8)])
    assert len(figure.axes) == 15 + 1
    assert "the 5 of 8 features that differ most" in texts(figure)
    labels = {axes.get_xlabel() for axes in figure.axes}
    assert {"name 1", "name 6"} <= labels


def test_of_a_large_table_a_sample_is_drawn_and_the_title_says_so():
    data = make_data(2, n=20_000)
    figure = plot.mixture(fit(data), data)
    assert "20,000 rows (a random 5,000 drawn)" in texts(figure)
    (points,) = (c for c in figure.axes[0].collections if isinstance(c, PathCollection))
    assert len(points.get_offsets()) == scene_module.MAX_POINTS
    assert points.get_rasterized()
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", dpi=60)
    assert len(stream.getvalue()) < 500_000


@pytest.mark.filterwarnings("ignore::mixgrad._errors.CollapseWarning")
@pytest.mark.parametrize("k", [1, 9, 25])
def test_any_number_of_components(k):
    data = make_data(2, n=200)
    figure = plot.mixture(fit(data, k, max_iter=1000, tol=1e-2), data)
    assert render(figure)
    assert ("One Gaussian" if k == 1 else f"Mixture of {k} Gaussians") in texts(figure)
    assert len(figure.legends) == (1 if k == 9 else 0)


def test_text_stays_inside_the_picture():
    data = make_data(3, n=6000)
    figure = plot.mixture(fit(data, 7, "spherical", max_iter=1000, tol=1e-2), data)
    figure.draw_without_rendering()
    box = figure.bbox
    for artist in [*figure.texts, *figure.legends, *figure.axes]:
        extent = artist.get_window_extent()
        assert extent.x0 >= box.x0
        assert extent.x1 <= box.x1
        assert extent.y0 >= box.y0
        assert extent.y1 <= box.y1


def test_names_are_no_formulas_and_long_ones_are_cut(faithful):
    data, model = faithful
    figure = plot.mixture(model, data.data, ["cost ($_{$", "a name that goes on and on and on"])
    assert render(figure)
    assert figure.axes[0].get_xlabel() == "cost ($_{$"
    assert figure.axes[0].get_ylabel() == "a name that goes on and o…"


def test_a_model_without_history_has_one_panel(faithful):
    data, model = faithful
    bare = GaussianMixture.from_parameters(model.weights_, model.means_, model.covariances_)
    figure = plot.mixture(bare, data.data)
    assert len(figure.axes) == 1
    assert render(figure)


def test_names_of_a_data_frame_are_used():
    import pandas

    frame = pandas.DataFrame(make_data(2), columns=["left", "right"])
    axes = plot.mixture(fit(frame), frame).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("left", "right")


@pytest.mark.filterwarnings("ignore::mixgrad._errors.CollapseWarning")
def test_constant_data_are_drawn():
    data = np.ones((20, 2))
    assert render(plot.mixture(fit(data, 1), data))
    assert render(plot.mixture(fit(data[:, :1], 1), data[:, :1]))


@pytest.mark.parametrize(("k", "d"), [(1, 1), (3, 1), (3, 2), (3, 7)])
def test_around_a_single_row_the_whole_mixture_is_drawn(k, d):
    means = np.arange(k * d).reshape(k, d) * 2.0
    model = GaussianMixture.from_parameters(np.full(k, 1 / k), means, np.ones((k, d)), "diag")
    figure = plot.mixture(model, np.full((1, d), 0.5))
    assert render(figure)
    assert "1 row  " in texts(figure)
    for place, axes in enumerate(figure.axes[: min(d, 2)]):
        low, high = axes.get_xlim()
        assert low <= means[:, 0].min() - 3
        assert high >= means[:, 0].max() + 3
        if (d, place) in ((1, 0), (7, 0)):  # densities: as high as the curves, not as the arbitrary bar of one row
            assert max(np.max(line.get_ydata()) for line in axes.lines) < axes.get_ylim()[1] < 1


def test_powers_of_ten_at_the_axis_leave_the_titles_in_line():
    data = make_data(2) + 1e8
    figure = plot.em(GaussianMixture(2, random_state=0), data, iterations=(0, 1))
    figure.draw_without_rendering()
    first, second = figure.axes
    assert first.yaxis.get_offset_text().get_text() == "+1e8"
    heights = [axes._left_title.get_window_extent().y0 - axes.bbox.y1 for axes in (first, second)]
    np.testing.assert_allclose(heights, heights[0], atol=0.5)
    assert first.yaxis.get_offset_text().get_window_extent().x1 < first._left_title.get_window_extent().x0


def test_a_mixture_without_parameters_is_refused(faithful):
    with pytest.raises(DataError, match="no parameters yet: fit it first"):
        plot.mixture(GaussianMixture(2), faithful[0].data)


def test_a_very_narrow_component_does_not_flatten_the_histogram():
    rng = np.random.default_rng(20240607)
    data = np.concatenate([rng.normal(size=300), 4 + 1e-4 * rng.normal(size=100)])[:, np.newaxis]
    axes = plot.mixture(fit(data), data).axes[0]
    (bars,) = (patch for patch in axes.patches if isinstance(patch, StepPatch))
    heights, _, _ = bars.get_data()
    assert axes.get_ylim()[1] < 5 * heights.max()


@pytest.mark.parametrize(
    ("X", "names", "message"),
    [
        (np.zeros((5, 3)), None, r"X must be of shape \(n_rows, 2\); got \(5, 3\)"),
        (np.zeros((0, 2)), None, r"got \(0, 2\)"),
        (np.zeros(5), None, r"got \(5,\)"),
        (np.zeros((5, 2)), ["one"], "2 features, but there are 1 names"),
    ],
)
def test_data_that_do_not_fit_are_refused(faithful, X, names, message):
    with pytest.raises(DataError, match=message):
        plot.mixture(faithful[1], X, names)


def test_no_pyplot_no_state_and_no_matplotlib_before_use():
    code = """
import sys
from mixgrad import plot
assert "matplotlib" not in sys.modules
import numpy as np
from types import SimpleNamespace
model = SimpleNamespace(
    weights_=np.ones(1), means_=np.zeros((1, 2)), covariances_=np.eye(2)[None], covariance_type="full",
    predict_proba=lambda X: np.ones((len(X), 1)), lower_bounds_=[-2.0, -1.0],
)
import matplotlib
settings = [name for name in matplotlib.rcParams if name != "backend"]  # asking for that one chooses it
before = [matplotlib.rcParams[name] for name in settings]
plot.mixture(model, np.eye(2)).savefig(sys.argv[1])
assert "matplotlib.pyplot" not in sys.modules
assert [matplotlib.rcParams[name] for name in settings] == before
"""
    target = subprocess.run([sys.executable, "-c", code, "/dev/null"], capture_output=True, text=True, timeout=60)
    assert target.returncode == 0, target.stderr


def test_without_matplotlib_the_remedy_is_named(faithful, monkeypatch):
    monkeypatch.setattr(plot, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'mixgrad\[plot\]'"):
        plot.mixture(faithful[1], faithful[0].data)
