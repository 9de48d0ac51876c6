"""`mixgrad fit`: what it prints and writes, checked against scikit-learn and by reading it back."""

import json
import os
import stat

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture as Reference

from mixgrad.cli.progress import PatientProgress
from mixgrad.datasets import load_faithful

COVARIANCES = ("full", "tied", "diag", "spherical")


def test_prints_the_optimum_of_old_faithful(mixgrad):
    result = mixgrad("fit", "faithful", "--components", "2")
    assert result.status == 0
    assert result.err == ""
    assert "-1130.263960 " in result.out
    words = result.out.split()
    for word in ("eruptions", "waiting", "0.355873", "0.644127", "BIC", "2322.191743", "AIC", "272", "converged,"):
        assert word in words
    assert result.out.count("lower is better") == 2


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_json_agrees_with_the_optimum_of_scikit_learn(mixgrad, covariance):
    data = load_faithful().data
    reference = Reference(2, covariance_type=covariance, tol=1e-12, max_iter=5000, n_init=3, random_state=1).fit(data)
    result = mixgrad("fit", "faithful", "-k", 2, "--covariance", covariance, "--json", "--tol", "1e-12")
    document = json.loads(result.out)
    assert result.status == 0
    assert document["converged"] is True
    order, expected = np.argsort(np.array(document["means"])[:, 0]), np.argsort(reference.means_[:, 0])
    np.testing.assert_allclose(document["log_likelihood"], reference.score(data) * len(data), rtol=1e-9)
    np.testing.assert_allclose(document["bic"], reference.bic(data), rtol=1e-9)
    np.testing.assert_allclose(document["aic"], reference.aic(data), rtol=1e-9)
    np.testing.assert_allclose(np.array(document["weights"])[order], reference.weights_[expected], rtol=1e-4)
    np.testing.assert_allclose(np.array(document["means"])[order], reference.means_[expected], rtol=1e-4)
    covariances = np.array(document["covariances"])
    if covariance == "tied":
        np.testing.assert_allclose(covariances, reference.covariances_, rtol=1e-4)
    else:
        np.testing.assert_allclose(covariances[order], reference.covariances_[expected], rtol=1e-4)


def test_json_is_the_whole_output_and_has_everything(mixgrad, tmp_path):
    picture, model = tmp_path / "a.png", tmp_path / "a.json"
    result = mixgrad("fit", "faithful", "--json", "--plot", picture, "--save", model, "--seed", 3, "--starts", 2)
    document = json.loads(result.out)
    assert result.err == ""
    assert document["feature_names"] == ["eruptions", "waiting"]
    assert (document["rows"], document["features"], document["components"]) == (272, 2, 2)
    assert (document["seed"], document["starts"], document["tol"], document["max_iter"]) == (3, 2, 1e-10, 1000)
    assert (document["solver"], document["init"], document["gap_tol"]) == ("em", "kmeans", None)
    assert sum(mode["runs"] for mode in document["modes"]) == 2
    assert document["sweeps"] >= document["iterations"]
    assert (document["plot_file"], document["model_file"]) == (str(picture), str(model))
    assert document["frames_file"] is None
    assert document["free_parameters"] == 11
    by_iteration = document["log_likelihood_by_iteration"]
    assert len(by_iteration) == document["iterations"]
    assert (np.diff(by_iteration) >= -1e-7).all()
    np.testing.assert_allclose(by_iteration[-1], document["log_likelihood"], atol=1e-6)


@pytest.mark.parametrize("solver", ["squarem", "newton", "lbfgs", "auto"])
def test_other_solvers_reach_the_same_maximum_and_say_how(mixgrad, solver):
    document = json.loads(mixgrad("fit", "faithful", "--solver", solver, "--starts", 1, "--json").out)
    np.testing.assert_allclose(document["log_likelihood"], -1130.263960185, rtol=0, atol=2e-9)
    assert (document["solver"], document["converged"]) == (solver, True)
    assert (document["tol"], document["gap_tol"]) == (None, 1e-12)
    assert 0 <= document["gap"] <= 1e-12 * 272
    assert document["sweeps"] > document["iterations"] > 1
    assert len(document["log_likelihood_by_iteration"]) == document["iterations"]


def test_the_summary_names_the_solver_and_the_modes(mixgrad):
    result = mixgrad("fit", "faithful", "--solver", "squarem", "--init", "random_from_data", "--starts", 2)
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in result.out.splitlines() if line.strip()}
    assert rows["solver"] == "squarem EM, extrapolated"
    assert rows["iterations"].endswith("converged, best of 2 starts")
    assert rows["sweeps"].endswith("passes over the rows")
    assert "still to gain" in rows["gap"]
    assert rows["modes"] == "1 maxima found; this one by 2 of 2 starts"


@pytest.mark.parametrize("init", ["kmeans", "k-means++", "random", "random_from_data"])
def test_starts_are_drawn_as_the_estimator_draws_them(mixgrad, init):
    from mixgrad.mixture import GaussianMixture

    options = ("--init", init, "--starts", 1, "--max-iter", 1, "--seed", 4)
    document = json.loads(mixgrad("fit", "faithful", *options, "--json", "--quiet").out)
    model = GaussianMixture(2, init_params=init, max_iter=1, random_state=4)
    with pytest.warns(match="did not converge"):
        model.fit(load_faithful().data)
    assert (document["init"], document["means"]) == (init, model.means_.tolist())


def test_a_search_finds_the_best_mode_and_reports_all(mixgrad, monkeypatch):
    monkeypatch.setattr("mixgrad.cli.progress._PATIENCE_SECONDS", 0.0)
    seen = []
    monkeypatch.setattr(PatientProgress, "show", lambda self, text, fraction: seen.append((text, fraction)))
    result = mixgrad("fit", "faithful", "-k", 3, "--starts", "auto", "--json", "--quiet")
    document = json.loads(result.out)
    np.testing.assert_allclose(document["log_likelihood"], -1114.439872903, rtol=0, atol=1e-8)
    assert (document["starts"], document["init"], document["solver"]) == ("auto", None, "auto")
    best, *others = document["modes"]
    np.testing.assert_allclose(best["log_likelihood"], document["log_likelihood"], atol=1e-5)
    assert best["runs"] > 0
    assert best["spurious"] == []
    assert all(mode["spurious"] or mode["log_likelihood"] < best["log_likelihood"] for mode in others)
    runs = [shown for shown in seen if shown[0].startswith("searching")]
    assert runs == [(f"searching for the best mode, runs of EM: {i + 1}", None) for i in range(len(runs))]
    assert len(runs) > 50
    after = seen[seen.index(runs[-1]) + 1 :]
    assert after[0][0].startswith("best mode of the search, iteration 1, log-likelihood -1114.4")
    assert all(0 < fraction <= 1 for _, fraction in after)


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize(("components", "columns"), [(1, "1"), (3, "1,2")])
def test_every_shape_prints(mixgrad, covariance, components, columns):
    result = mixgrad(
        "fit", "faithful", "-k", components, "--covariance", covariance, "--columns", columns, "--starts", 1
    )
    assert result.status == 0
    assert f"{covariance} covariance" in result.out


def test_the_same_seed_gives_the_same_results(mixgrad):
    def document():
        result = json.loads(mixgrad("fit", "faithful", "-k", 3, "--starts", 2, "--max-iter", 20, "--json").out)
        return result | {"seconds": None}

    assert document() == document()


def test_not_converged_warns_and_says_what_to_do(mixgrad):
    result = mixgrad("fit", "faithful", "-k", 3, "--max-iter", 2, "--starts", 1)
    assert result.status == 0
    assert "NOT CONVERGED" in result.out
    assert result.err.startswith(
        "mixgrad: warning: not converged after 2 iterations; raise --max-iter (now 2) or --tol"
    )
    assert mixgrad("fit", "faithful", "-k", 3, "--max-iter", 2, "--starts", 1, "--quiet").err == ""
    result = mixgrad("fit", "faithful", "-k", 3, "--max-iter", 2, "--starts", 1, "--solver", "squarem")
    assert "raise --max-iter (now 2) or --gap-tol (now 1e-12)" in result.err


def test_json_stands_alone_on_the_standard_output_even_with_a_warning(mixgrad):
    result = mixgrad("fit", "faithful", "-k", 3, "--max-iter", 2, "--starts", 1, "--json")
    assert json.loads(result.out)["converged"] is False
    assert result.err.count("\n") == 1


def test_components_that_collapse_are_named(mixgrad, table_file):
    path = table_file("a,b\n" + "1,2\n" * 20 + "".join(f"{i % 7},{i * i % 11}\n" for i in range(40)))
    result = mixgrad("fit", path, "-k", "2", "--json")
    document = json.loads(result.out)
    (found,) = document["diagnostics"]
    assert found["kind"] == "collapsed"
    assert f"mixgrad: warning: component {found['component']} shrank onto a point" in result.err
    assert result.err.endswith("; try fewer --components, more --starts, or --starts auto\n")


def test_quiet_prints_nothing(mixgrad, tmp_path):
    result = mixgrad("fit", "faithful", "--quiet", "--save", tmp_path / "model.json")
    assert (result.status, result.out, result.err) == (0, "", "")
    assert (tmp_path / "model.json").stat().st_size > 100


def test_reads_the_standard_input(mixgrad):
    result = mixgrad("fit", "-", "-k", 1, "--json", input="a,b\n1,2\n3,5\n5,5\n")
    np.testing.assert_allclose(json.loads(result.out)["means"], [[3, 4]])


def test_names_that_look_like_markup_print_as_they_are(mixgrad, table_file):
    path = table_file("[red]a[/red],:smile:\n1,2\n3,5\n5,5\n")
    result = mixgrad("fit", path, "-k", 1)
    assert "[red]a[/red]" in result.out
    assert ":smile:" in result.out


def test_wide_tables_print_in_full_where_there_is_no_terminal(mixgrad, table_file):
    rows = np.random.default_rng(20240602).normal(size=(40, 10)).round(3)
    path = table_file("\n".join(",".join(map(str, row)) for row in rows.tolist()))
    result = mixgrad("fit", path, "-k", 1)
    assert "with column 10" in result.out
    assert "…" not in result.out
    rows = np.random.default_rng(20240603).normal(size=(40, 13)).round(3)
    path = table_file("\n".join(",".join(map(str, row)) for row in rows.tolist()))
    assert "covariances: see --json" in mixgrad("fit", path, "-k", 1).out


def test_the_model_file_is_the_model_that_was_printed(mixgrad, tmp_path):
    from mixgrad.mixture import model_file

    path = tmp_path / "model.json"
    document = json.loads(mixgrad("fit", "faithful", "--save", path, "--json").out)
    model = model_file.load(path)
    assert model.weights_.tolist() == document["weights"]
    assert model.means_.tolist() == document["means"]
    assert model.covariances_.tolist() == document["covariances"]
    assert list(model.feature_names_in_) == ["eruptions", "waiting"]


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")]
)
def test_pictures_by_suffix(mixgrad, tmp_path, suffix, start):
    path = tmp_path / f"picture{suffix}"
    assert mixgrad("fit", "faithful", "--plot", path, "--starts", 1).status == 0
    assert path.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("suffix", "start"), [(".gif", b"GIF89a"), (".html", b"<!DOCTYPE html>"), (".svg", b"<?xml")])
def test_frames_by_suffix(mixgrad, tmp_path, monkeypatch, suffix, start):
    monkeypatch.setattr("mixgrad.plot.film._DOTS_PER_INCH", {"gif": 30, "html": 30})
    path = tmp_path / f"em{suffix}"
    result = mixgrad("fit", "faithful", "--frames", path, "--starts", 1, "--max-iter", 2, "--tol", 0)
    assert result.status == 0
    assert "\nframes  " in result.out
    assert path.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [path]


def test_the_frames_are_those_of_the_fit_that_is_reported(mixgrad, tmp_path, monkeypatch):
    from mixgrad.mixture import GaussianMixture
    from mixgrad.plot.history import make_history

    fits, seen = [], []
    fit = GaussianMixture._fit
    monkeypatch.setattr(
        GaussianMixture, "_fit", lambda self, *rest, **named: fits.append(1) or fit(self, *rest, **named)
    )
    monkeypatch.setattr("mixgrad.cli.fit.save_frames", lambda *arguments: seen.append(arguments))
    result = mixgrad(
        "fit", "faithful", "-k", 3, "--starts", 3, "--tol", 1e-6, "--json", "--frames", tmp_path / "em.gif"
    )
    document, ((recorder, model, X, names, path, _),) = json.loads(result.out), seen
    assert len(fits) == 1
    assert names == ("eruptions", "waiting")
    assert document["frames_file"] == path
    history = make_history(recorder, model, X)
    assert history.n_starts == 3
    assert history.n_iterations == document["iterations"]
    np.testing.assert_array_equal(history.log_likelihoods[:-1], document["log_likelihood_by_iteration"])
    np.testing.assert_allclose(history.log_likelihoods[-1], document["log_likelihood"])
    assert list(history.parameters) == list(range(min(41, document["iterations"] + 1)))


def test_a_destination_is_replaced_through_its_link_and_keeps_its_permissions(mixgrad, tmp_path):
    real, link = tmp_path / "real.png", tmp_path / "link.png"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    assert mixgrad("fit", "faithful", "--plot", link, "--starts", 1).status == 0
    assert link.is_symlink()
    assert real.read_bytes().startswith(b"\x89PNG")
    assert stat.S_IMODE(os.stat(real).st_mode) == 0o640


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--covariance", "ful"], ["--covariance", "ful", "full", "spherical"]),
        (["--components", "0"], ["--components"]),
        (["-k", "two"], ["--components"]),
        (["-k", "273"], ["--components 273 exceeds the number of rows, 272"]),
        (["--tol", "nan"], ["--tol"]),
        (["--tol", "inf"], ["--tol: expected a finite number, got inf"]),
        (["--tol", "-1"], ["--tol"]),
        (["--starts", "0"], ["--starts: expected a number from 1, or auto", "got '0'"]),
        (["--starts", "many"], ["--starts: expected a number from 1, or auto", "got 'many'"]),
        (["--starts", "auto", "--init", "kmeans"], ["--init kmeans", "drop --init, or give a number of --starts"]),
        (["--starts", "auto", "--solver", "em"], ["--solver em", "--starts auto", "drop --solver"]),
        (["--starts", "auto", "--tol", "0.1"], ["--tol 0.1", "--starts auto", "--solver auto", "give --gap-tol"]),
        (["--starts", "auto", "--frames", "em.gif"], ["--frames: it shows the iterations of EM", "number of --starts"]),
        (["--init", "k-medians"], ["--init", "k-medians", "kmeans", "k-means++", "random_from_data"]),
        (["--solver", "bfgs"], ["--solver", "bfgs", "em", "squarem", "newton", "lbfgs", "auto"]),
        (["--solver", "newton", "--frames", "em.gif"], ["--frames: it shows", "--solver newton", "drop --solver"]),
        (["--solver", "squarem", "--tol", "1"], ["--tol 1", "this fit takes --solver squarem", "give --gap-tol"]),
        (["--gap-tol", "1e-9"], ["--gap-tol 1e-09", "--solver em", "give --tol"]),
        (["--solver", "auto", "--gap-tol", "inf"], ["--gap-tol: expected a finite number, got inf"]),
        (["--max-iter", "0"], ["--max-iter"]),
        (["--seed", "-1"], ["--seed"]),
        (["--columns", "eruption"], ["no column 'eruption'", "did you mean 'eruptions'"]),
        (["--colums", "a"], ["No such option", "--columns"]),
        (["--plot", "picture.jpg"], ["picture.jpg", ".png, .svg or .pdf", "'.jpg'"]),
        (["--plot", "picture"], ["got none"]),
        (["--plot", "picture.gif"], ["pictures are written as .png, .svg or .pdf"]),
        (["--frames", "em.mp4"], ["em.mp4", ".gif, .html, .png, .svg or .pdf", "'.mp4'"]),
        (["--frames", "/no/such/place/em.gif"], ["there is no directory '/no/such/place'"]),
        (["--plot", "/no/such/place/picture.png"], ["there is no directory '/no/such/place'"]),
        (["--save", "/"], ["/: this is a directory"]),
        (["--save", ""], ["this is a directory"]),
        (["--save", "/dev/null"], ["this is no ordinary file"]),
    ],
)
def test_bad_options_are_refused_in_one_line(refused, arguments, words):
    line = refused("fit", "faithful", *arguments)
    for word in words:
        assert word in line


def test_both_outputs_to_one_file_are_refused(refused, tmp_path):
    path = tmp_path / "a.png"
    assert "--plot and --save name the same file" in refused("fit", "faithful", "--plot", path, "--save", path)
    assert "--plot and --frames name the same" in refused("fit", "faithful", "--plot", path, "--frames", path)


def test_the_input_is_never_overwritten(refused, table_file):
    path = table_file("a,b\n1,2\n3,5\n5,5\n")
    assert "this is an input" in refused("fit", path, "--save", path)
    assert path.read_text().startswith("a,b")


@pytest.mark.parametrize("arguments", [[], ["fit"], ["fot"], ["--bad"]])
def test_incomplete_command_lines(mixgrad, refused, arguments):
    if not arguments:  # nothing asked for: help
        result = mixgrad()
        assert result.status == 0
        assert "Usage:" in result.out
    else:
        refused(*arguments)


def test_bad_tables_are_refused_in_one_line(refused, table_file, tmp_path):
    assert "no such file" in refused("fit", tmp_path / "nothing.csv")
    assert "is a directory" in refused("fit", tmp_path)
    assert "is empty" in refused("fit", table_file(""))
    assert "holds 'x'" in refused("fit", table_file("a,b\n1,2\nx,3\n4,5\n"))
    assert "at least two rows" in refused("fit", table_file("a,b\n1,2\n"), "-k", 1)
    assert "cannot be fitted" in refused("fit", table_file("a,b\n1e300,1\n-1e300,2\n3,3\n"))


def test_destinations_are_checked_before_the_table_is_read(refused, tmp_path):
    line = refused("fit", "no-such-table.csv", "--save", tmp_path / "no" / "model.json")
    assert "there is no directory" in line


def test_unwritable_destinations_are_refused(refused, tmp_path, monkeypatch):
    path = tmp_path / "model.json"
    path.write_text("precious")
    monkeypatch.setattr("os.access", lambda *arguments: False)
    assert "write-protected" in refused("fit", "faithful", "--save", path)
    monkeypatch.undo()

    def refuse(**arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert "cannot be written to (Permission denied)" in refused("fit", "faithful", "--save", path)
    assert path.read_text() == "precious"


def test_a_full_disk_while_writing_leaves_the_old_file(refused, tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    path.write_bytes(b"precious")

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    assert "No space left on device" in refused("fit", "faithful", "--plot", path, "--starts", 1)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_matplotlib_is_said_before_the_work(refused, monkeypatch):
    monkeypatch.setattr("mixgrad.plot.find_spec", lambda name: None)
    assert "pip install 'mixgrad[plot]'" in refused("fit", "no-such-table.csv", "--plot", "a.png")
    assert "--frames: pictures need matplotlib" in refused("fit", "no-such-table.csv", "--frames", "a.gif")


def test_an_interruption_ends_with_status_130(mixgrad, monkeypatch):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("mixgrad.cli.fit.run_fit", interrupt)
    result = mixgrad("fit", "faithful")
    assert (result.status, result.out, result.err) == (130, "", "mixgrad: interrupted\n")


def test_too_large_a_table_for_the_memory(refused, monkeypatch):
    def exhaust(options):
        raise MemoryError

    monkeypatch.setattr("mixgrad.cli.fit.run_fit", exhaust)
    assert "not enough memory" in refused("fit", "faithful")


def test_our_own_mistakes_are_not_hidden(mixgrad, monkeypatch):
    def fail(options):
        raise KeyError("a bug")

    monkeypatch.setattr("mixgrad.cli.fit.run_fit", fail)
    with pytest.raises(KeyError, match="a bug"):
        mixgrad("fit", "faithful")
