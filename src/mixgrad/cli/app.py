"""The commands and their options. What they do stands in modules of their own, imported when a command runs."""

from enum import StrEnum
from typing import Annotated

import typer

from mixgrad.cli.errors import OneLineErrors

_TABLE_HELP = (
    "A CSV file (delimited by comma, semicolon, tab, bar or blanks; with or without a header), [cyan]-[/] for the "
    "standard input, or [cyan]faithful[/], the eruptions of the Old Faithful geyser."
)
_COLUMNS_HELP = "Columns to use: names, or numbers from 1, with commas between them. [dim]Default: all[/]"
_EXCLUDE_HELP = "Columns to leave out, likewise."
_HEADER_HELP = "Whether the first row holds names. [dim]Default: found out[/]"


class Covariance(StrEnum):
    """Types of covariance, as in scikit-learn."""

    full = "full"
    tied = "tied"
    diag = "diag"
    spherical = "spherical"


class Solver(StrEnum):
    """Ways to the maximum, as in `mixgrad.GaussianMixture`."""

    em = "em"
    squarem = "squarem"
    newton = "newton"
    lbfgs = "lbfgs"
    auto = "auto"


class Init(StrEnum):
    """Ways to draw a start, as in scikit-learn."""

    kmeans = "kmeans"
    kmeans_plusplus = "k-means++"
    random = "random"
    random_from_data = "random_from_data"


class DiffMode(StrEnum):
    """Modes of differentiation, and none."""

    reverse = "reverse"
    forward = "forward"
    none = "none"


app = typer.Typer(
    cls=OneLineErrors,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mixgrad {version('mixgrad')}")
        raise typer.Exit()


@app.callback(invoke_without_command=True)
def mixgrad(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Fit Gaussian mixtures to tables of numbers, and label the rows.

    Example: [cyan]mixgrad fit faithful --components 2 --plot faithful.png[/]
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def fit(
    table: Annotated[str, typer.Argument(metavar="TABLE", help=_TABLE_HELP)],
    components: Annotated[int, typer.Option("--components", "-k", min=1, help="Number of components.")] = 2,
    covariance: Annotated[
        Covariance, typer.Option("--covariance", help="The freedom that the covariances of the components have.")
    ] = Covariance.full,
    columns: Annotated[str | None, typer.Option("--columns", metavar="A,B", help=_COLUMNS_HELP)] = None,
    exclude: Annotated[str | None, typer.Option("--exclude", metavar="C,D", help=_EXCLUDE_HELP)] = None,
    header: Annotated[bool | None, typer.Option("--header/--no-header", help=_HEADER_HELP)] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the random starts.")] = 0,
    starts: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            help="Number of starts, of which the best is kept; or [cyan]auto[/]: search for the best maximum, by a "
            "hundred short runs of EM and more, from random partitions, then merging and splitting components.",
        ),
    ] = "5",
    init: Annotated[
        Init | None,
        typer.Option(
            help="How a start is drawn: clusters of k-means; rows far from each other; random labels; random rows. "
            "[dim]Default: kmeans[/]"
        ),
    ] = None,
    solver: Annotated[
        Solver | None,
        typer.Option(
            help="How the likelihood is maximised: steps of EM; EM, extrapolated; Newton's method; L-BFGS; or EM, "
            "extrapolated, and then Newton's method where that is cheaper. All but em go to the very maximum. "
            "[dim]Default: em, and auto after a search[/]"
        ),
    ] = None,
    tol: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="With --solver em: converged when the log-likelihood per row grows by less than this in an iteration. "
            "[dim]Default: 1e-10[/]",
        ),
    ] = None,
    gap_tol: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="With the other solvers: converged when no more than this log-likelihood per row is still to gain. "
            "[dim]Default: 1e-12[/]",
        ),
    ] = None,
    max_iter: Annotated[
        int, typer.Option(min=1, help="Most iterations of a start (after a search, no less than 1000).")
    ] = 1000,
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="Draw the fit: a .png, .svg or .pdf file. Needs matplotlib.")
    ] = None,
    frames: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Show EM at work, iteration by iteration: a .gif or .html animation, or a .png, .svg or .pdf grid. "
            "Of --solver em and a number of --starts.",
        ),
    ] = None,
    save: Annotated[
        str | None, typer.Option(metavar="FILE", help="Save the model, as JSON, for [cyan]mixgrad predict[/].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document with everything.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but errors (with --json: nothing but the document).")
    ] = False,
) -> None:
    """Fit a Gaussian mixture to a table, and print its components.

    Example: [cyan]mixgrad fit flowers.csv -k 3 --exclude species --plot flowers.png --save flowers.json[/]
    """
    from mixgrad.cli.columns import split_names
    from mixgrad.cli.fit import FitOptions, run_fit
    from mixgrad.cli.way import choose_way

    run_fit(
        FitOptions(
            table=table,
            components=components,
            covariance=covariance.value,
            columns=split_names(columns),
            exclude=split_names(exclude),
            header=header,
            seed=seed,
            way=choose_way(starts, init and init.value, solver and solver.value, tol, gap_tol),
            max_iter=max_iter,
            plot=plot,
            frames=frames,
            save=save,
            as_json=as_json,
            quiet=quiet,
        )
    )


@app.command()
def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model that [cyan]mixgrad fit --save[/] wrote.")],
    table: Annotated[str, typer.Argument(metavar="TABLE", help=_TABLE_HELP)],
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="FILE", help="The CSV file to write. [dim]Default: print[/]")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Columns to use, in the model's order. [dim]Default: by name, else all[/]"),
    ] = None,
    exclude: Annotated[str | None, typer.Option(metavar="C,D", help=_EXCLUDE_HELP)] = None,
    header: Annotated[bool | None, typer.Option("--header/--no-header", help=_HEADER_HELP)] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but errors (without --out: and the labels).")
    ] = False,
) -> None:
    """Label the rows of a table with the components of a saved model.

    Writes CSV: the label (from 1), its uncertainty (1 minus the largest responsibility), and all responsibilities.

    Example: [cyan]mixgrad predict flowers.json more.csv --out labels.csv[/]
    """
    from mixgrad.cli.columns import split_names
    from mixgrad.cli.predict import PredictOptions, run_predict

    run_predict(PredictOptions(model, table, out, split_names(columns), split_names(exclude), header, quiet))


@app.command()
def diff(
    file: Annotated[str, typer.Argument(metavar="FILE.py", help="A file of Python. It is run, to load the function.")],
    function: Annotated[str, typer.Argument(metavar="FUNCTION", help="The name of the function in it.")],
    args: Annotated[
        str,
        typer.Option(
            metavar="VALUES",
            help="Arguments of the function, whose shapes the module is for: numbers, lists, zeros(3, 4), ones(2).",
        ),
    ],
    mode: Annotated[
        DiffMode, typer.Option(help="Value and gradient, value and tangent, or the function itself.")
    ] = DiffMode.reverse,
    argnums: Annotated[
        str, typer.Option(metavar="0,1", help="Arguments to differentiate by, counted from 0. [dim]Default: all[/]")
    ] = "",
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Zero times inf or nan is zero in derivatives, by a function in the module."),
    ] = False,
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="OUT.py", help="The file to write. [dim]Default: print[/]")
    ] = None,
) -> None:
    """Write the derivative of a function as a readable module of Python, which needs NumPy alone.

    Example: [cyan]mixgrad diff model.py loss --mode reverse --args 'zeros(3), 1.0' -o loss_gradient.py[/]
    """
    from mixgrad.cli.diff import DiffOptions, run_diff

    wanted = None if mode is DiffMode.none else mode.value
    run_diff(DiffOptions(file, function, args, wanted, argnums, strict, out))
