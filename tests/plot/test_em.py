"""EM at work: each panel shows the parameters that EM has after so many iterations, all on the same axes."""

import copy
import io
import re

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.patches import Ellipse
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.mixture import GaussianMixture as Reference

from mixgrad import plot
from mixgrad._errors import DataError
from mixgrad.datasets import load_faithful
from mixgrad.mixture import GaussianMixture
from mixgrad.plot import history as history_module
from mixgrad.plot.history import Recorder, make_history, record_fit
from mixgrad.plot.stages import make_stages
from mixgrad.plot.style import component_colors, mix
from mixgrad.plot.view import choose_view

FAITHFUL = load_faithful()
START = {"weights_init": [0.3, 0.7], "means_init": [[3.0, 80.0], [4.0, 60.0]], "precisions_init": [np.eye(2)] * 2}


def after(iterations, X=FAITHFUL.data):
    """Parameters, log-likelihood and responsibilities after some iterations, by scikit-learn."""
    arguments = START | {"precisions_init": np.array(START["precisions_init"])}
    model = Reference(2, max_iter=max(iterations, 1), tol=0.0, **arguments)
    if iterations:
        with pytest.warns(match="did not converge"):
            model.fit(X)
    else:
        model._initialize_parameters(X, np.random.RandomState(0))
        model.means_, model.covariances_ = np.array(START["means_init"]), np.array([np.eye(2)] * 2)
        model.weights_, model.precisions_cholesky_ = np.array(START["weights_init"]), np.array([np.eye(2)] * 2)
    return model


@pytest.fixture(scope="module")
def figure():
    return plot.em(
        GaussianMixture(2, tol=1e-9, **START), FAITHFUL.data, FAITHFUL.feature_names, iterations=(0, 1, 4, 9)
    )


def texts(figure):
    return "\n".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def ellipses(axes):
    return [patch for patch in axes.patches if isinstance(patch, Ellipse) and patch.get_linewidth() > 0]


@pytest.mark.parametrize(("panel", "iteration"), [(0, 0), (1, 1), (2, 4), (3, 9)])
def test_a_panel_shows_what_scikit_learn_has_after_so_many_iterations(figure, panel, iteration):
    axes, reference = figure.axes[panel], after(iteration)
    assert axes.get_title(loc="left") == (f"iteration {iteration}" if iteration else "start")
    value = float(re.sub("log-likelihood −", "-", axes.get_title(loc="right")))
    np.testing.assert_allclose(value, reference.score(FAITHFUL.data) * 272, atol=1e-3)
    drawn = ellipses(axes)
    assert len(drawn) == 6
    for number, ellipse in enumerate(drawn):
        component, deviation = divmod(number, 3)
        outline = ellipse.get_patch_transform().transform([[1, 0], [0, 1], [0.6, -0.8]])
        offset = outline - reference.means_[component]
        precision = np.linalg.inv(reference.covariances_[component])
        distance = np.sqrt(np.einsum("ni,ij,nj->n", offset, precision, offset))
        np.testing.assert_allclose(distance, deviation + 1, rtol=1e-4)
        np.testing.assert_allclose(ellipse.get_edgecolor()[:3], component_colors(2)[component])
    (points,) = (c for c in axes.collections if isinstance(c, PathCollection))
    responsibilities = reference.predict_proba(np.asarray(points.get_offsets()))
    np.testing.assert_allclose(points.get_facecolor()[:, :3], mix(responsibilities, component_colors(2)), atol=1e-5)


def test_all_panels_have_the_same_axes_and_names(figure):
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes}) == 1
    assert [axes.get_xlabel() for axes in figure.axes] == ["eruptions"] * 4
    assert [axes.get_ylabel() for axes in figure.axes] == ["waiting", "", "", ""]


def test_text_stays_inside_the_picture_and_titles_stand_apart(figure):
    figure.draw_without_rendering()
    for artist in [*figure.texts, *figure.axes]:
        extent = artist.get_tightbbox()
        assert figure.bbox.x0 <= extent.x0 < extent.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= extent.y0 < extent.y1 <= figure.bbox.y1
    for axes in figure.axes:
        assert axes._left_title.get_window_extent().x1 < axes._right_title.get_window_extent().x0


def test_iterations_that_are_not_reached_are_left_out_and_named():
    figure = plot.em(GaussianMixture(2, **START), FAITHFUL.data, iterations=(0, 90, 2, 80))
    reached = int(re.search(r"converged after (\d+) iterations, so there is no iteration 80 or 90", texts(figure))[1])
    assert 2 < reached < 80
    assert len(figure.axes) == 2
    stopped = plot.em(GaussianMixture(2, max_iter=3, **START), FAITHFUL.data)
    assert "stopped after 3 iterations, so there is no iteration 4 to 20" in texts(stopped)
    assert [axes.get_title(loc="left") for axes in stopped.axes][-1] == "iteration 3"


def test_of_several_starts_the_best_is_drawn():
    model = GaussianMixture(3, n_init=4, init_params="random", tol=1e-4, random_state=2)
    fitted, history = record_fit(model, FAITHFUL.data, range(1000))
    assert history.n_starts == 4
    assert fitted.lower_bound_ == model.fit(FAITHFUL.data).lower_bound_
    np.testing.assert_array_equal(history.log_likelihoods[:-1], np.array(fitted.lower_bounds_) * 272)
    np.testing.assert_allclose(history.log_likelihoods[-1], fitted.score_samples(FAITHFUL.data).sum())
    assert list(history.parameters) == list(range(fitted.n_iter_ + 1))
    # The parameters of an iteration have the log-likelihood that is said of them.
    for i in (0, 1, fitted.n_iter_):
        parts = GaussianMixture.from_parameters(*history.parameters[i])
        np.testing.assert_allclose(history.log_likelihoods[i], parts.score(FAITHFUL.data) * 272, rtol=1e-12)
    assert "best of 4 starts" in texts(plot.em(model, FAITHFUL.data, iterations=[1]))


def test_of_another_solver_the_iterations_of_em_are_drawn():
    fitted, history = record_fit(GaussianMixture(2, tol=1e-9, solver="squarem", **START), FAITHFUL.data, (0, 4))
    assert fitted.solver == "em"
    for iteration in (0, 4):
        np.testing.assert_allclose(history.log_likelihoods[iteration], after(iteration).score(FAITHFUL.data) * 272)
        np.testing.assert_allclose(history.parameters[iteration][1], after(iteration).means_, rtol=1e-4)
    with pytest.raises(ValueError, match="'solver' parameter"):
        record_fit(GaussianMixture(2, solver="steepest"), FAITHFUL.data, [0])


def test_the_model_given_is_not_changed():
    model = GaussianMixture(2, random_state=np.random.RandomState(7), init_params="random", max_iter=2)
    before = copy.deepcopy(model.get_params())
    plot.em(model, FAITHFUL.data)
    state, same = model.get_params().pop("random_state"), before.pop("random_state")
    np.testing.assert_array_equal(state.get_state()[1], same.get_state()[1])
    assert {name: model.get_params()[name] for name in before} == before
    assert not hasattr(model, "means_")


def test_where_the_fit_goes_back_to_better_parameters_its_last_iteration_is_unknown():
    parameters = np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1))
    recorder = Recorder(range(5))
    for iteration, bound in enumerate([-3.0, -1.0, -2.0], start=1):
        recorder(0, iteration, bound, parameters)
    model = GaussianMixture.from_parameters(*parameters)
    model.lower_bound_, model.converged_ = -1.0, False
    history = make_history(recorder, model, np.zeros((2, 1)))
    assert list(history.parameters) == [0, 1, 2]
    assert history.missing == (3, 4)
    np.testing.assert_array_equal(history.log_likelihoods, [-6.0, -2.0, -4.0])


def test_huge_parameters_are_kept_of_the_best_start_and_the_present_one(monkeypatch):
    monkeypatch.setattr(history_module, "_MAX_NUMBERS", 25)
    recorder = Recorder(range(3))
    for start, bound in enumerate([-5.0, -1.0, -4.0, -3.0]):
        for iteration in range(1, 4):
            recorder(start, iteration, bound + iteration / 10, (np.full(3, start), np.zeros(1), np.zeros(1)))
    assert [len(run.parameters) for run in recorder._runs.values()] == [0, 3, 0, 3]
    assert recorder.best(-1.0 + 3 / 10).parameters[2][0][0] == 1


def test_one_feature_has_the_same_axes_and_points_coloured():
    waiting = FAITHFUL.data[:, 1:]
    figure = plot.em(GaussianMixture(2, init_params="random_from_data", random_state=0, tol=1e-6), waiting, ["waiting"])
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes}) == 1
    (rug,) = (c for c in figure.axes[1].collections if isinstance(c, LineCollection))
    assert len(np.unique(rug.get_colors(), axis=0)) > 10
    # The start from single rows has densities like needles, which do not squash the others.
    assert figure.axes[0].get_ylim()[1] < 0.1


def test_many_features_are_seen_along_the_discriminating_directions(random):
    n, d = 600, 6
    labels = np.repeat([0, 1, 2], n // 3)
    centres = random.normal(size=(3, d)).round(2) * 3
    X = centres[labels] + random.normal(size=(n, d)) @ random.normal(size=(d, d))
    model = GaussianMixture(3, covariance_type="tied", means_init=centres, max_iter=2)
    fitted, history = record_fit(model, X, (0, 2))
    means, weights = fitted.means_, fitted.weights_
    view = make_stages(history, fitted, X).view
    assert view.names == ("direction 1", "direction 2")
    # With the components' own labels, Fisher's discriminants are the same directions.
    sure = np.argmax(fitted.predict_proba(X), axis=1)
    expected = LinearDiscriminantAnalysis(solver="eigen").fit(X, sure).scalings_[:, :2]
    cosines = np.abs(np.sum(expected * view.axes, axis=0)) / np.linalg.norm(expected, axis=0)
    np.testing.assert_allclose(cosines / np.linalg.norm(view.axes, axis=0), 1, atol=0.05)
    # In these units the mixture has covariance I.
    offsets = view.of_points(means)
    spread = view.of_covariances(fitted.covariances_) + (weights * offsets.T) @ offsets
    np.testing.assert_allclose(spread, np.eye(2), atol=1e-8)


def test_components_that_differ_in_spread_alone_are_told_apart():
    covariances = np.stack([np.eye(4), np.diag([1.0, 1.0, 25.0, 1.0])])
    view = choose_view(None, list("abcd"), np.full(2, 0.5), np.zeros((2, 4)), covariances)
    direction = np.abs(view.axes[:, 0])
    assert direction[2] > 0
    np.testing.assert_allclose(np.delete(direction, 2), 0, atol=1e-6)


def test_features_are_chosen_by_name_or_position(random):
    X = random.normal(size=(60, 4)).round(3)
    X[:20] += 4
    model = GaussianMixture(2, random_state=0)
    by_name = plot.em(model, X, list("abcd"), iterations=[1], features=["d", "b"])
    by_place = plot.em(model, X, list("abcd"), iterations=[1], features=[3, 1])
    assert [(f.axes[0].get_xlabel(), f.axes[0].get_ylabel()) for f in (by_name, by_place)] == [("d", "b")] * 2
    assert "2 of 4 features shown" in texts(by_name)
    (points,) = (c for c in by_name.axes[0].collections if isinstance(c, PathCollection))
    assert sorted(map(tuple, np.asarray(points.get_offsets()))) == sorted(map(tuple, X[:, [3, 1]]))
    assert plot.em(model, X, list("abcd"), iterations=[1], features=["c"]).axes[0].get_ylabel() == "density"


def test_names_of_a_data_frame_are_used():
    import pandas

    frame = pandas.DataFrame(FAITHFUL.data, columns=["left", "right"])
    axes = plot.em(GaussianMixture(2, **START), frame, iterations=[0]).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("left", "right")


@pytest.mark.parametrize("kind", ["tied", "diag", "spherical"])
def test_tables_at_the_edge_are_drawn(kind, random):
    X = random.normal(size=(30, 3)).astype(np.float32)
    X[:, 2] = X[:, 0]  # collinear; the picture is drawn though
    figure = plot.em(GaussianMixture(2, covariance_type=kind, random_state=0, max_iter=0), X)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["start"]
    assert "stopped after 0 iterations, so there is no iteration 1 to 20" in texts(figure)
    one = plot.em(GaussianMixture(1, covariance_type=kind), X[:, :2], iterations=(0, 1))
    assert "EM at work: one Gaussian" in texts(one)
    one.savefig(io.BytesIO(), format="png", dpi=30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iterations": []}, "at least one of them"),
        ({"iterations": [-1]}, r"integers from 0.*got \[-1\]"),
        ({"iterations": [0.5]}, r"integers from 0.*got \[0.5\]"),
        ({"features": ["c"]}, "there is no feature 'c'; expected positions from 0 or names: 'a', 'b'"),
        ({"features": [2]}, "there is no feature 2"),
        ({"features": [0, 0]}, "one or two different features"),
        ({"features": []}, "one or two different features"),
        ({"feature_names": ["a"]}, "2 features, but there are 1 names"),
        ({"model": Reference(2)}, "expected a mixgrad.GaussianMixture"),
        ({"model": GaussianMixture}, "expected a mixgrad.GaussianMixture"),
        ({"model": GaussianMixture(2, n_init="auto")}, r"not one course of EM to draw. Give a number of starts"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    arguments = {"model": GaussianMixture(2, max_iter=1), "X": FAITHFUL.data, "feature_names": ["a", "b"]} | options
    with pytest.raises(DataError, match=message):
        plot.em(**arguments)
