"""`cxmodels churn`: audit, train, score and monitor from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

ACT = 3  # the run was fine, but what it found needs somebody

app = typer.Typer(help="Who is likely to leave: audit, train, score, monitor.", no_args_is_help=True)

Data = Annotated[Path, typer.Argument(help="Table: .parquet, .csv or .xlsx.", metavar="DATA")]
Model = Annotated[Path, typer.Argument(help="Model file that `train` wrote.", metavar="MODEL.json")]
Label = Annotated[str, typer.Option(help="Column that says who left.")]
Drop = Annotated[list[str] | None, typer.Option(help="Column to leave out; may be given again.")]


@app.command()
def audit(
    data: Data,
    label: Annotated[str | None, typer.Option(help="Column that says who left; finds leaks.")] = None,
    drop: Drop = None,
) -> None:
    """Look for columns that would mislead a model: leaks, identifiers, constants, duplicates, mixed types."""
    from .churn import audit as look

    frame = _read(data)
    y = None if label is None else _take(frame, label)
    for column in drop or []:
        _take(frame, column)
    found = look(frame.drop(columns=[*(drop or []), *([label] if label else [])]), y)
    typer.echo(found.to_string(index=False) if len(found) else "Nothing found.")


@app.command()
def train(
    data: Data,
    label: Label,
    out: Annotated[Path, typer.Option(help="Model file to write (JSON).")] = Path("churn_model.json"),
    customer_id: Annotated[
        str | None, typer.Option("--id", help="Column of identifiers; not used to predict.")
    ] = None,
    drop: Drop = None,
    holdout: Annotated[float, typer.Option(help="Share of the customers kept out to judge the model.")] = 0.25,
    card: Annotated[Path | None, typer.Option(help="Model card to write (.html or .md).")] = None,
    group: Annotated[str | None, typer.Option(help="Column of groups for the fairness part of the card.")] = None,
    horizon: Annotated[int | None, typer.Option(help="Days ahead for which the labels hold.")] = None,
    candidate: Annotated[
        list[str] | None,
        typer.Option(help="Kind of model to try (linear, additive, pairwise, boosted, deep); all if none."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of folds, trees and hold-out.")] = 0,
) -> None:
    """Choose, fit and calibrate a model, judge it on customers kept out, and write it as JSON."""
    from .churn import Churn
    from .errors import SpecError

    if not 0 < holdout < 1:
        raise SpecError(f"--holdout must be a share between 0 and 1, not {holdout}.")
    if card is not None and card.suffix.lower() not in (".html", ".md"):
        raise SpecError(f"A model card is written as .html or .md, not '{card.suffix}'.")
    frame = _read(data)
    y = _take(frame, label)
    groups = None if group is None else _take(frame, group)
    away = [c for c in (label, customer_id, *(drop or [])) if c is not None]
    for column in away:
        _take(frame, column)
    x = frame.drop(columns=away)
    known = y.notna()
    if gone := int((~known).sum()):
        typer.echo(f"{gone} rows without a label are left out.", err=True)
    x, y = x[known], y[known]
    who = None if customer_id is None else _repeated(frame[customer_id][known], customer_id)
    fit, test = _split(y, who, holdout, seed)
    with _working("Training"):
        model = Churn(candidate or None, random_state=seed).fit(
            x.iloc[fit], y.iloc[fit], groups=None if who is None else who[fit]
        )
    judged = model.evaluate(x.iloc[test], y.iloc[test])
    if card is not None:
        from .report import churn_card

        with _working("Judging"):
            made = churn_card(
                model,
                x.iloc[test],
                y.iloc[test],
                groups=None if groups is None else groups[known].iloc[test],
                horizon_days=horizon,
                seed=seed,
            )
        made.write(card)
    model.save(out)
    typer.echo(repr(model.candidates_.round(4)))
    typer.echo(f"\nOn {len(test):,} {'customers' if who is None else 'rows of customers'} kept out")
    typer.echo(judged.round(4).to_string())
    if len(model.dropped_):
        typer.echo(f"\nLeft out\n{model.dropped_.to_string(index=False)}")
    typer.echo(f"\nModel  {out}" + (f"\nCard   {card}" if card else ""))


@app.command()
def score(
    model: Model,
    data: Data,
    out: Annotated[str, typer.Argument(help="Where to write: .parquet, .csv, .duckdb or a database URL.")],
    customer_id: Annotated[str, typer.Option("--id", help="Column of identifiers.")],
    as_of: Annotated[str, typer.Option(help="Day to which the data refer, as 2026-03-31.")],
    horizon: Annotated[int, typer.Option(help="Days ahead for which the scores hold.")],
    value: Annotated[str, typer.Option(help="Value of a kept customer: an amount, or a column.")],
    capacity: Annotated[int | None, typer.Option(help="Contacts that can be made.")] = None,
    contact_cost: Annotated[float, typer.Option(help="Cost of a contact.")] = 1.0,
    offer_cost: Annotated[float, typer.Option(help="Cost of an accepted offer.")] = 10.0,
    accept_rate: Annotated[float, typer.Option(help="Share of those about to leave who accept.")] = 0.3,
    control: Annotated[float, typer.Option(help="Share kept out at random as a control group.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Seed of the control group; another for another campaign.")] = 0,
    table: Annotated[str, typer.Option(help="Table of a database.")] = "churn_scores",
) -> None:
    """Score customers and hand over the ranked, costed list; the same day again replaces what was written."""
    import pandas as pd

    from .churn import deliver, load, targets_summary
    from .errors import DataError, SpecError

    try:
        day: Any = pd.Timestamp(as_of)
    except ValueError:
        day = pd.NaT
    if day is pd.NaT:
        raise SpecError(f"--as-of must be a day such as 2026-03-31, not {as_of!r}.")
    fitted, frame = load(model), _read(data)
    _take(frame, customer_id)
    try:
        worth: Any = float(value)
    except ValueError:
        worth = _take(frame, value)
        if not pd.api.types.is_numeric_dtype(worth):
            raise DataError(f"The column '{value}' of values holds text; give amounts of money.") from None
    with _working("Scoring"):
        made = fitted.targets(
            frame,
            customer_id,
            value=worth,
            capacity=capacity,
            contact_cost=contact_cost,
            offer_cost=offer_cost,
            accept_rate=accept_rate,
            control_share=control,
            seed=seed,
            as_of_date=day,
            horizon_days=horizon,
        )
    told = deliver(made, out, table=table)
    flags = fitted.flags(frame)
    if len(flags):
        typer.echo(f"Flags\n{flags.to_string(index=False)}\n")
    typer.echo(targets_summary(made).round(3).to_string())
    again = f", {told['replaced']:,} of the same day replaced" if told["replaced"] else ""
    typer.echo(f"\nList  {told['target']} ({told['rows']:,} customers{again})")


@app.command()
def monitor(
    model: Model,
    data: Data,
    label: Annotated[str | None, typer.Option(help="Column that says who left, when it is known.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write columns and alerts here (.csv).")] = None,
) -> None:
    """Compare customers of today with those of training; exit code 3 when something needs action."""
    from .churn import load

    fitted, frame = load(model), _read(data)
    y = None if label is None else _take(frame, label)
    found = fitted.monitor(frame, y)
    typer.echo(found.summary())
    if out is not None:
        from .files import neutral, replacing

        with replacing(out, "table") as draft:
            neutral(found.columns).to_csv(draft, index=False)
    if (found.alerts["band"] == "act").any():
        raise typer.Exit(ACT)


def _read(path: Path) -> Any:
    """Read a table."""
    import pandas as pd

    from .errors import DataError, SpecError
    from .files import needed

    if not path.exists():
        raise DataError(f"There is no file '{path}'.")
    try:
        match path.suffix.lower():
            case ".parquet":
                needed("pyarrow", "store")
                frame = pd.read_parquet(path)
            case ".csv":
                frame = pd.read_csv(path, low_memory=False)
            case ".xlsx":
                needed("openpyxl", "report")
                frame = pd.read_excel(path)
            case other:
                raise SpecError(f"Cannot read '{other}' files; give .parquet, .csv or .xlsx.")
    except SpecError:
        raise
    except Exception as error:  # whatever a damaged file makes of a reader
        raise DataError(f"'{path.name}' cannot be read: {str(error).splitlines()[0][:160]}") from None
    if frame.empty:
        raise DataError(f"'{path.name}' has no rows; nothing was written.")
    return frame


def _repeated(ids: Any, name: str) -> Any:
    """Number of the customer of each row where customers stand more than once, else None."""
    import pandas as pd

    from .errors import DataError

    if blank := int(ids.isna().sum()):
        raise DataError(f"{blank} of {len(ids)} rows have no '{name}'; give each one.")
    return pd.factorize(ids)[0] if ids.duplicated().any() else None


def _split(y: Any, who: Any, holdout: float, seed: int) -> Any:
    """Rows to train on and rows kept out; customers who stand more than once are kept out whole."""
    from sklearn.model_selection import GroupShuffleSplit, train_test_split

    from .errors import SpecError

    try:
        if who is not None:
            return next(GroupShuffleSplit(1, test_size=holdout, random_state=seed).split(y, groups=who))
        return train_test_split(range(len(y)), test_size=holdout, random_state=seed, stratify=y)
    except ValueError as error:
        raise SpecError(f"'{y.name}' cannot be split into training and hold-out: {error}") from None


def _take(frame: Any, column: str) -> Any:
    """A column, or one sentence."""
    from .errors import DataError, near

    if column not in frame:
        raise DataError(f"There is no column '{column}'.{near(column, map(str, frame.columns))}")
    return frame[column]


class _working:
    """Say on a terminal that something takes its time."""

    def __init__(self, what: str) -> None:
        import sys

        self.status: Any = None
        if sys.stderr.isatty():
            from rich.console import Console

            self.status = Console(stderr=True).status(f"{what} ...")

    def __enter__(self) -> None:
        if self.status:
            self.status.start()

    def __exit__(self, *_: object) -> None:
        if self.status:
            self.status.stop()
