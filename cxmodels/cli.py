"""The command line: a thin skin over the package."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .cli_churn import app as churn

INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C


def _version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        from . import __version__

        typer.echo(__version__)
        raise typer.Exit


app = typer.Typer(
    name="cxmodels",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class _RunUnlessTold(TyperGroup):
    """``study FILE`` is short for ``study run FILE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command first where the first word is none."""
        told = not args or args[0] in self.commands or args[0] == "--help"
        return super().parse_args(ctx, args if told else ["run", *args])


studies = typer.Typer(
    help="Run or check a satisfaction study; STUDY.toml alone is short for run STUDY.toml.",
    cls=_RunUnlessTold,
    no_args_is_help=True,
)
data = typer.Typer(help="The data sets of the package.", no_args_is_help=True)
app.add_typer(studies, name="study")
app.add_typer(data, name="data")
app.add_typer(churn, name="churn")


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Statistical models of customer experience."""


@studies.command("run")
def run_study(
    file: Annotated[Path, typer.Argument(help="Study file (TOML).", metavar="STUDY.toml")],
    out: Annotated[Path, typer.Option(help="Folder that takes the study's folder.")] = Path("reports"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Run a satisfaction study and write its report, tables and result.json into OUT/NAME.

    Results of an earlier run stay as they are until the new ones are complete. A mistake in the study file or in the
    data is one sentence and exit code 2; an interrupt is exit code 130.
    """
    from .report import check_place, write_study
    from .study import Study

    plan = Study.from_toml(file)
    check_place(out / plan.name)
    try:
        with _Bars(quiet) as bars:
            folder = write_study(result := plan.run(bars.show), out)
    except KeyboardInterrupt:
        typer.echo(f"Interrupted; '{out / plan.name}' is as the last complete run left it.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(repr(result))
    report = folder / "report.html"
    typer.echo(f"\nReport  {report if report.exists() else folder}")


@studies.command("check")
def check_study(
    file: Annotated[Path, typer.Argument(help="Study file (TOML).", metavar="STUDY.toml")],
) -> None:
    """Read a study file and its data and say all that is wrong, without estimating anything."""
    from .study import Study

    plan = Study.from_toml(file)
    for line in plan.check():
        typer.echo(line)


@data.command("list")
def list_data() -> None:
    """List the data sets."""
    from . import datasets

    typer.echo(datasets.catalog()[["name", "rows", "columns", "kind", "licence", "title"]].to_string(index=False))


@data.command("show")
def show_data(name: Annotated[str, typer.Argument(help="Name of the data set.")]) -> None:
    """Print the card of a data set: source, licence, columns."""
    from . import datasets

    typer.echo(datasets.card(name))


@app.command()
def version() -> None:
    """Print the version."""
    _version(True)


class _Bars:
    """One progress bar per stage of a run, if the error stream is a terminal."""

    show: Callable[[str, int, int], None] | None = None

    def __init__(self, quiet: bool) -> None:
        self.progress: Any = None
        if quiet or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.progress = Progress(*columns, console=Console(stderr=True))
        self.tasks: dict[str, Any] = {}
        self.show = self._show

    def __enter__(self) -> _Bars:
        if self.progress:
            self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.progress:
            self.progress.stop()

    def _show(self, stage: str, done: int, total: int) -> None:
        """Move the bar of a stage."""
        if stage not in self.tasks:
            self.tasks[stage] = self.progress.add_task(stage.capitalize(), total=total)
        self.progress.update(self.tasks[stage], completed=done)


def main() -> None:
    """Run the command line; an error of the package is one sentence and exit code 2."""
    import warnings

    from .errors import CxError, CxWarning

    def show(message: Any, category: type[Warning], *rest: Any, **_: Any) -> None:
        if not issubclass(category, CxWarning):
            typer.echo(f"{category.__name__}: {message}", err=True)

    warnings.showwarning = show  # statistical events stand in the result that is printed
    try:
        app()
    except CxError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
