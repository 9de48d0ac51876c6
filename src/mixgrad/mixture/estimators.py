"""The estimator: scikit-learn's `GaussianMixture`, fitted by gradients."""

from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from mixgrad._errors import DataError
from mixgrad.mixture.checks import check_parameters
from mixgrad.mixture.distribution import MixtureDistribution
from mixgrad.mixture.em import Status
from mixgrad.mixture.fitting import (
    Parameters,
    best_fit,
    diagnostics,
    in_data_units,
    make_problem,
    modes_in_data_units,
    warn_of,
)
from mixgrad.mixture.gaussian import COVARIANCES
from mixgrad.mixture.other_threads import one_blas_thread
from mixgrad.mixture.solvers import SOLVERS
from mixgrad.mixture.start import STARTS

__all__ = ["GaussianMixture", "Parameters"]


class GaussianMixture(MixtureDistribution):
    """Gaussian mixture, fitted by expectation maximisation.

    Takes the parameters, and has the methods and attributes, of ``sklearn.mixture.GaussianMixture``, and makes the same
    iterations from the same `random_state`. What it does otherwise:

    - The E-step is the gradient of the log-likelihood, taken by `mixgrad.value_and_grad`; there is no other.
    - Data are centred, and moments are taken about the current means in units of the current spreads. So an offset of
      1e8, badly conditioned covariances, and single precision (computed in double) cost no digits.
    - A decrease of the log-likelihood, which `reg_covar` may cause, is never taken for convergence; a change no larger
      than rounding is. If the bound ends below an earlier one, the parameters of the highest bound are returned.
    - The arguments of the constructor are never overwritten.
    - No standard deviation falls below a millionth of the data's own spread (see `reg_covar`), so a component that
      shrinks onto a row, a line or a plane is no error, even with ``reg_covar=0``: `diagnostics_` names it.
    - Starts from single rows ('k-means++', 'random_from_data') have weights that sum to 1 and, for 'tied', the pooled
      covariance of the rows that they label; scikit-learn's weights sum to K / n there, which lowers the first bound by
      log(n / K), and its tied covariance counts the other rows too.

    Parameters
    ----------
    n_components : int, default=1
        Number of components, K.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}, default='full'
        Each component has its own covariance matrix; all share one; own variances per feature; one own variance.
    tol : float, default=1e-3
        A fit has converged when the mean log-likelihood per row grows by less.
    reg_covar : float, default=None
        Added to the diagonal of the covariances, in squared units of the data, as in scikit-learn, where it is 1e-6;
        then a `random_state` draws the same starts as there. None adds nothing. Either way standard deviations stay
        above a millionth of the data's own spread, which changes the covariances of collapsing components only.
        With None nothing depends on units, or on the order of rows: starts are drawn from the rows in order, and
        k-means measures distances in units of the columns.
    max_iter : int, default=100
        Largest number of iterations of one start. 0 returns the start itself.
    n_init : int or 'auto', default=1
        Number of starts; the one with the highest bound is kept. 'auto' searches for the best mode instead: some dozens
        of short runs of EM from random partitions of the rows, longer ones of the best of these, then from merging and
        splitting components as long as that finds better modes, and the best one until it stands still. It takes
        about two thousand sweeps, on a sample of a large table, and returns no spurious mode: see `modes_`.
    init_params : {'kmeans', 'k-means++', 'random', 'random_from_data'}, default='kmeans'
        How a start is drawn: the clusters of k-means; single rows far from each other; random labels; random rows.
    weights_init : array-like of shape (n_components,), default=None
        Weights to start from instead of drawn ones.
    means_init : array-like of shape (n_components, n_features), default=None
        Means to start from.
    precisions_init : array-like, default=None
        Inverse covariances to start from, of the shape of `covariances_`.
    random_state : int, RandomState instance or None, default=None
        Draws the starts, and the rows of `sample`.
    warm_start : bool, default=False
        Whether `fit` continues from the parameters that the model already has; then `n_init` is ignored.
    verbose : int, default=0
        1 prints the starts and iterations, 2 and more also times and changes.
    verbose_interval : int, default=10
        Iterations from one printed line to the next.
    fixed : set of {'weights', 'means', 'covariances'}, default=None
        Parameters that stay as they are at the start: means at `means_init`, covariances at the inverses of
        `precisions_init`, weights at `weights_init`, and equal without it; with `warm_start` all at the model's own.
        `aic` and `bic` do not count them.
    solver : {'em', 'squarem', 'newton', 'lbfgs', 'auto'}, default='em'
        How the likelihood is maximised. 'em' makes scikit-learn's iterations; the others go all the way to the maximum
        and stop by `gap_tol`, not by `tol`. 'auto' extrapolates EM ('squarem') and finishes by Newton's method where
        that is cheaper. 'newton' and 'lbfgs' start from where EM is after one step, may end in another maximum than
        EM, and refuse a `reg_covar` above 0; with one 'squarem' and 'auto' go where EM with it goes.
    gap_tol : float, default=1e-12
        Except with 'em': a fit has converged when the mean log-likelihood per row that is still to gain is estimated to
        be no more than this, or no more than rounding.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
    means_ : ndarray of shape (n_components, n_features)
    covariances_ : ndarray
        Of shape (n_components, n_features, n_features) 'full', (n_features, n_features) 'tied',
        (n_components, n_features) 'diag', (n_components,) 'spherical'.
    precisions_ : ndarray
        Inverses of `covariances_`, of the same shape.
    precisions_cholesky_ : ndarray
        U, upper triangular, with precision = U U^T; square roots of the precisions for 'diag' and 'spherical'.
    converged_ : bool
        Whether the best start converged.
    interrupted_ : bool
        Whether the fit was stopped from the keyboard; then the parameters are the best so far.
    n_iter_ : int
        Its number of iterations.
    lower_bound_ : float
        Its mean log-likelihood per row, under the parameters with which the last iteration began.
    lower_bounds_ : list of float
        The same after each of its iterations.
    modes_ : list of ModeFound
        The different maxima that starts have reached, best first: tuples (lower_bound, count, parameters, spurious).
        Modes with components that rest on a handful of rows by chance are last, and `spurious` names these components.
    gap_ : float
        What the mean log-likelihood per row would still gain, as far as an extrapolation of the last iterations, or the
        curvature, can tell; nan where they cannot.
    n_sweeps_ : int
        Passes over the rows that the best start took. One that computes a Hessian, of at most 32 parameters, counts
        once and takes about the time of a pass of EM for each of its columns.
    diagnostics_ : list of Diagnostic
        What is wrong with components: tuples (component, kind, message), kind being 'collapsed' (its covariance had to
        be kept from vanishing) or 'empty' (no rows).
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only if the data came with names that are all strings.

    Examples
    --------
    >>> import numpy as np
    >>> from mixgrad.mixture import GaussianMixture
    >>> X = np.array([[0, 2], [1, 0], [1, 4], [2, 2], [9, 2], [10, 0], [10, 4], [11, 2]])
    >>> model = GaussianMixture(n_components=2, random_state=0).fit(X)
    >>> np.sort(model.means_, axis=0)
    array([[ 1.,  2.],
           [10.,  2.]])
    """

    _parameter_constraints: ClassVar = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [StrOptions(set(COVARIANCES))],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "reg_covar": [Interval(Real, 0.0, None, closed="left"), None],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "init_params": [StrOptions(set(STARTS))],
        "weights_init": ["array-like", None],
        "means_init": ["array-like", None],
        "precisions_init": ["array-like", None],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "verbose_interval": [Interval(Integral, 1, None, closed="left")],
        "fixed": ["array-like", set, str, None],
        "solver": [StrOptions({"em", *SOLVERS})],
        "gap_tol": [Interval(Real, 0.0, None, closed="left")],
    }

    converged_: bool
    interrupted_: bool
    n_iter_: int
    lower_bound_: float
    lower_bounds_: list
    gap_: float
    n_sweeps_: int
    diagnostics_: list
    modes_: list
    n_features_in_: int
    feature_names_in_: np.ndarray

    def __init__(
        self,
        n_components=1,
        *,
        covariance_type="full",
        tol=1e-3,
        reg_covar=None,
        max_iter=100,
        n_init=1,
        init_params="kmeans",
        weights_init=None,
        means_init=None,
        precisions_init=None,
        random_state=None,
        warm_start=False,
        verbose=0,
        verbose_interval=10,
        fixed=None,
        solver="em",
        gap_tol=1e-12,
    ):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.fixed = fixed
        self.solver = solver
        self.gap_tol = gap_tol

    @classmethod
    def from_parameters(cls, weights, means, covariances, covariance_type="full"):
        """Make a model that is ready to use without fitting.

        Parameters
        ----------
        weights : array-like of shape (n_components,)
            Their sum is 1.
        means : array-like of shape (n_components, n_features)
        covariances : array-like
            Of the shape that `covariances_` has for this type; symmetric and positive definite.
        covariance_type : {'full', 'tied', 'diag', 'spherical'}, default='full'

        Returns
        -------
        GaussianMixture

        Raises
        ------
        DataError
            Shapes do not fit, or values are not those of a mixture.
        """
        if covariance_type not in tuple(COVARIANCES):
            raise DataError(f"covariance_type should be one of {', '.join(COVARIANCES)}, but got {covariance_type!r}.")
        parameters = Parameters(*check_parameters(weights, means, covariances, COVARIANCES[covariance_type]))
        n_components, n_features = parameters.means.shape
        model = cls(n_components=n_components, covariance_type=covariance_type)
        model.n_features_in_ = n_features
        model._store(parameters, np.result_type(*parameters))
        return model

    def fit(self, X, y=None, sample_weight=None):
        """Estimate the parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of int of shape (n_samples,), optional
            Known components of rows, 0 to n_components - 1, and -1 for rows of which nothing is known. If all are known
            the fit is supervised: one step, in closed form, that takes nothing of a start but what is `fixed`. Anything
            else is a target for somebody else, and ignored as in scikit-learn, with a warning if it looks like labels.
        sample_weight : array-like of shape (n_samples,), optional
            How often each row counts: a row of weight 2 is a row repeated, one of weight 0 is not there.

        Returns
        -------
        GaussianMixture
            The model itself.

        Raises
        ------
        ValueError
            The table, the weights or an argument of the constructor cannot be used.

        Warns
        -----
        ConvergenceWarning
            No start converged within `max_iter`.
        CollapseWarning
            Components shrank onto single rows, lines or planes; `diagnostics_` names them.
        """
        return self._fit(X, y, sample_weight)

    def fit_predict(self, X, y=None, sample_weight=None):
        """Estimate the parameters and return the most probable component of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y, sample_weight
            As for `fit`.

        Returns
        -------
        ndarray of int of shape (n_samples,)
        """
        return self._fit(X, y, sample_weight).predict(X)

    def _fit(self, X, y=None, sample_weight=None, observe=None, observe_search=None):
        """Fit, and tell observers about it.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        observe : callable, optional
            ``observe(start_index, iteration, lower_bound_per_row, parameters)`` is called after each iteration with the
            bound and the `Parameters` that reach it, those with which the iteration began.
        observe_search : callable, optional
            ``observe_search(n_runs)`` is called after each run of the search that ``n_init="auto"`` is; `observe` is
            told what follows the search.
        """
        self._validate_params()
        X = np.asarray(validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2))
        problem = make_problem(self, X, y, sample_weight)
        with one_blas_thread(X.shape[1]):
            fit, modes = best_fit(self, problem, observe, observe_search)
        centre, covariance = problem.units.centre, problem.covariance
        self._store(in_data_units(fit.components, centre, covariance), X.dtype)
        self.converged_ = fit.status is Status.CONVERGED
        self.n_iter_ = fit.n_iter
        self.lower_bound_ = fit.lower_bound
        self.lower_bounds_ = fit.lower_bounds
        self.modes_ = modes_in_data_units(modes, centre, covariance)
        self.interrupted_ = fit.status is Status.INTERRUPTED
        self.gap_ = fit.gap
        self.n_sweeps_ = fit.sweeps
        self.diagnostics_ = diagnostics(fit, problem)
        warn_of(fit, self.diagnostics_, self.max_iter, stacklevel=4)
        if self.interrupted_:
            raise KeyboardInterrupt
        return self
