"""`Survey`: a frame together with what each of its columns means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, near
from .codebook import Codebook
from .entries import in_language
from .frames import to_pandas
from .questions import Questions
from .recoding import missing_codes, recode
from .validation import (
    Problem,
    array_problems,
    check_weights,
    numbers_of,
    place_problem,
    raise_for,
    require_role,
    require_weights,
)

__all__ = ["Survey", "as_survey"]


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Survey(Questions):
    """Answers of respondents, one row each, and the codebook of their columns.

    Parameters
    ----------
    data : DataFrame or dict of arrays
        pandas, polars, pyarrow or any other frame narwhals supports. It is never changed; a pandas index stays.
    codebook : Codebook, dict or path of a TOML file, optional
        What the columns mean; see `Codebook`. Columns it does not name stay as they are.
    weights : str or array-like (n,), optional
        Case weights, by column name or by value. Default: the column the codebook names, else none.
    wave : str, optional
        Column of the year or wave. Default: as in the codebook.
    hierarchy : sequence of str, optional
        Columns of the levels above a respondent, finest first. Default: as in the codebook.
    notes : sequence of str, default ()
        What whoever made the data decided; shown with the survey.

    Attributes
    ----------
    frame : DataFrame
        The data with missing codes blanked and reversed items turned round (``lo + hi - answer``), so that
        a high number is always a good answer.
    codebook : Codebook
        The codebook given, with the roles above.
    weight_name, wave : str or None
        Columns with these roles; `weight_name` is None for weights given by value.
    hierarchy : tuple of str
        Columns of the levels, finest first.
    notes : tuple of str
        What reading the file decided, for example that two rows of a Qualtrics export became labels.

    Raises
    ------
    DataError
        If the data are no table, or a role names a column they do not have.
    SpecError
        If the codebook contradicts itself.

    Examples
    --------
    >>> import pandas as pd
    >>> from cxmodels import Survey
    >>> data = pd.DataFrame({"q1": [1, 10, 99], "q2": [3, 4, 5]})
    >>> s = Survey(data, {"items": {"q1": {"label": "Trust", "scale": [1, 10], "missing": [99]}}})
    >>> s.frame["q1"].tolist(), s.scale("q1"), s.label("q1"), s.label("q2")
    ([1.0, 10.0, nan], (1, 10), 'Trust', 'q2')
    >>> s.raw_missing
      column code  rows
    0     q1   99     1
    """

    frame: pd.DataFrame
    codebook: Codebook
    weight_name: str | None
    wave: str | None
    hierarchy: tuple[str, ...]
    notes: tuple[str, ...]

    def __init__(
        self,
        data: Any,
        codebook: Any = None,
        *,
        weights: Any = None,
        wave: str | None = None,
        hierarchy: str | Iterable[str] = (),
        notes: Sequence[str] = (),
    ) -> None:
        raw = to_pandas(data)
        book = Codebook.of(codebook)
        if isinstance(weights, str) or wave or hierarchy:
            name = weights if isinstance(weights, str) else book.weights
            book = Codebook(book, weights=name, wave=wave or book.wave, hierarchy=hierarchy or book.hierarchy)
        given = None if isinstance(weights, str) else weights
        for role, names in {
            "weights": (book.weights,) if given is None and book.weights else (),
            "wave": (book.wave,) if book.wave else (),
            "hierarchy": book.hierarchy,
        }.items():
            for name in names:
                require_role(raw, name, role)
        if given is not None:
            require_weights(given, raw)
        vars(self).update(
            frame=recode(raw, book),
            codebook=book,
            weight_name=book.weights if given is None else None,
            wave=book.wave,
            hierarchy=book.hierarchy,
            notes=tuple(notes),
            _raw=raw,
            _weights=given,
        )

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def weights(self) -> npt.NDArray[np.float64] | None:
        """Case weights as floats (n,), or None.

        Raises
        ------
        DataError
            If a weight is negative, missing, infinite or no number, or all are zero.
        """
        return self.case_weights()

    def case_weights(self, weights: Any = None) -> npt.NDArray[np.float64] | None:
        """Return checked case weights: those given, else the survey's own.

        Parameters
        ----------
        weights : str or array-like (n,), optional
            A column name or values that take the place of the survey's own.

        Returns
        -------
        ndarray (n,) or None
            None where neither was given.

        Raises
        ------
        DataError
            As `check_weights`, or if the column does not exist.

        Examples
        --------
        >>> from cxmodels.survey import as_survey
        >>> as_survey({"q1": [1, 2], "w": [1, 3]}).case_weights("w")
        array([1., 3.])
        """
        if weights is None:
            weights = self.weight_name if self._given_weights is None else self._given_weights
        if weights is None:
            return None
        if isinstance(weights, str):
            require_role(self.frame, weights, "weights")
            return check_weights(self.frame[weights], len(self), name=weights)
        require_weights(weights, self.frame)
        return check_weights(weights, len(self))

    @property
    def _given_weights(self) -> Any:
        """Weights given by value, not by column."""
        return vars(self)["_weights"]

    @property
    def _collected(self) -> pd.DataFrame:
        """The data before recoding."""
        return vars(self)["_raw"]

    @property
    def raw_missing(self) -> pd.DataFrame:
        """How many answers of which item held which missing code: frame [column, code, rows].

        Only codes that occur are listed; the cells that were blank from the start are not.
        """
        return missing_codes(self._collected, self.codebook)

    def scale(self, item: str) -> tuple[float, float] | None:
        """Return the ends of an item's answer scale.

        Parameters
        ----------
        item : str
            Name of a column.

        Returns
        -------
        (lo, hi) or None
            None where the codebook does not say.

        Examples
        --------
        >>> from cxmodels.survey import as_survey
        >>> as_survey({"q1": [1, 2]}).scale("q1") is None
        True
        """
        entry = self.codebook.entries.get(item)
        return entry.scale if entry else None

    def label(self, item: str, language: str | None = None) -> str:
        """Return the wording of an item, or its name where it has none.

        Parameters
        ----------
        item : str
            Name of a column.
        language : str, optional
            Language wanted. Falls back to English, then to any other.

        Returns
        -------
        str
            Text as in the codebook, not escaped.

        Examples
        --------
        >>> from cxmodels.survey import as_survey
        >>> as_survey({"q1": [1, 2]}).label("q1")
        'q1'
        """
        entry = self.codebook.entries.get(item)
        return entry.text(language) if entry else str(item)

    def texts(self, column: str, language: str | None = None) -> pd.Series:
        """Return the answers of a column as the codebook words them, such as countries for their codes.

        Parameters
        ----------
        column : str
            Name of a column whose codes have texts.
        language : str, optional
            Language wanted; else English, else any.

        Returns
        -------
        Series
            With the index of the frame. A code without a text stays as it is, written out; a blank stays blank.

        Raises
        ------
        DataError
            If there is no such column, or the codebook has no texts for it.

        Examples
        --------
        >>> from cxmodels import Survey
        >>> s = Survey({"country": [1, 2, None]}, {"items": {"country": {"values": {"1": "Austria", "2": "Bulgaria"}}}})
        >>> s.texts("country").tolist()
        ['Austria', 'Bulgaria', nan]
        """
        if column not in self.frame.columns:
            raise DataError(f"Column '{column}' is not in the data.{near(str(column), map(str, self.frame.columns))}")
        item = self.codebook.get(column)
        if item is None or not item.values:
            raise DataError(
                f"The codebook has no texts for the answers of '{column}'; give values = {{1 = \"...\"}} there."
            )
        codes = self.frame[column]
        if item.reversed and item.scale is not None:
            codes = item.scale[0] + item.scale[1] - codes
        words = {code: in_language(texts, language) for code, texts in item.values.items()}
        return codes.map(lambda c: np.nan if pd.isna(c) else words.get(c) or (c if isinstance(c, str) else f"{c:g}"))

    def numeric(
        self, items: str | Iterable[str], allow_missing: bool = True, *, constant: bool = False
    ) -> npt.NDArray[np.float64]:
        """Return columns as one array of floats, or say what is wrong with them: the door for every model.

        Parameters
        ----------
        items : str or sequence of str
            Columns wanted, k of them.
        allow_missing : bool, default True
            Whether single answers may be missing (NaN). An item without any answer never passes.
        constant : bool, default False
            Whether to refuse items that have one value only, as models that need variances must.

        Returns
        -------
        ndarray (n, k)
            A fresh array; booleans are 0 and 1.

        Raises
        ------
        DataError
            One error that lists every unknown, repeated, text, infinite, empty or (where asked) constant
            item, and every item with values outside the scale its codebook declares.

        Examples
        --------
        >>> from cxmodels.survey import as_survey
        >>> s = as_survey({"q1": [1, 2], "q2": [5, None]})
        >>> s.numeric(["q1", "q2"])
        array([[ 1.,  5.],
               [ 2., nan]])
        >>> s.numeric(["Q1"])
        Traceback (most recent call last):
        cxmodels.errors.DataError: Item 'Q1' is not in the data. Did you mean 'q1'? Columns are case-sensitive.
        """
        items = [items] if isinstance(items, str) else list(items)
        if not len(self):
            raise DataError("The data have no rows.")
        values = self._quick(items)
        if values is None:
            values, problems, items = self._slow(items)
        else:
            problems = []
        problems += array_problems(
            values, items, self.codebook.entries, allow_missing=allow_missing, constant=constant
        )
        raise_for(problems)
        return values

    def _quick(self, items: list[str]) -> npt.NDArray[np.float64] | None:
        """Columns at array speed where each exists once and is a plain number, else None."""
        find = self.frame.columns.get_loc
        try:
            found = [find(name) for name in items]
        except (KeyError, TypeError):
            return None
        places = [place for place in found if isinstance(place, int)]
        if not places or len(places) < len(items):
            return None
        dtypes = self.frame.dtypes.tolist()
        if not all(isinstance(dtypes[place], np.dtype) and dtypes[place].kind in "iufb" for place in places):
            return None
        if dtypes.count(dtypes[0]) == len(dtypes):
            return self.frame.to_numpy()[:, places].astype(float)
        values = np.empty((len(self), len(items)))
        for k, name in enumerate(items):
            values[:, k] = self.frame[name].to_numpy()
        return values

    def _slow(self, items: list[str]) -> tuple[npt.NDArray[np.float64], list[Problem], list[str]]:
        """Columns one by one: the values that can be had, the problems, and the names of the values."""
        problems: list[Problem] = []
        columns: dict[str, npt.NDArray[np.float64]] = {}
        for name in items:
            fault = place_problem(self.frame, name)
            if fault:
                problems.append(fault)
                continue
            columns[name], faults = numbers_of(self.frame[name])
            problems += faults
        # A column of text is all NaN as numbers: one complaint is enough.
        texts = {problem.column for problem in problems}
        sound = [name for name in items if name in columns and name not in texts]
        values = np.column_stack([columns[name] for name in sound]) if sound else np.empty((len(self), 0))
        return values, problems, sound

    def __repr__(self) -> str:
        from .display import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from .display import as_html

        return as_html(self)

    def subset(self, rows: Any) -> Survey:
        """Return the survey of some of the respondents, with the same codebook and their weights.

        Parameters
        ----------
        rows : array-like
            A boolean mask (n,), or row positions (which may repeat, as in a resample).

        Returns
        -------
        Survey
            Its frame keeps the index labels of the rows taken.

        Raises
        ------
        DataError
            If a mask has another length than the data, or a position does not exist.

        Examples
        --------
        >>> from cxmodels.survey import as_survey
        >>> len(as_survey({"q1": [1, 2, 3]}).subset([True, False, True]))
        2
        """
        places = np.asarray(rows)
        if places.dtype.kind == "b":
            if places.shape != (len(self),):
                raise DataError(f"The mask has {places.size} entries for {len(self)} rows: give one for each row.")
            places = np.flatnonzero(places)
        elif places.size and (
            places.dtype.kind not in "iu" or places.min() < -len(self) or places.max() >= len(self)
        ):
            raise DataError(f"Rows are taken by a boolean mask or by positions from 0 to {len(self) - 1}.")
        places = places.astype(np.intp)
        frame = self.frame.take(places)
        new = object.__new__(Survey)
        vars(new).update(vars(self))
        vars(new).update(
            frame=frame,
            _raw=frame if self._collected is self.frame else self._collected.take(places),
            _weights=None if self._given_weights is None else np.asarray(self._given_weights)[places],
        )
        return new

    def assign(self, **columns: Any) -> Survey:
        """Return the survey with columns added or replaced, after missing codes and directions are settled.

        Parameters
        ----------
        **columns : array-like (n,)
            New columns by name.

        Returns
        -------
        Survey

        Examples
        --------
        >>> from cxmodels.survey import as_survey
        >>> s = as_survey({"up": [10.0, 0.0]}).assign(price=[7.3, 5.5])
        >>> s.numeric(["price"]).ravel()
        array([7.3, 5.5])
        """
        new = object.__new__(Survey)
        vars(new).update(vars(self))
        vars(new).update(frame=self.frame.assign(**columns), _raw=self._collected.assign(**columns))
        return new


def as_survey(data: Any) -> Survey:
    """Return data as a survey; cheap, so that every model may call it.

    Parameters
    ----------
    data : Survey, DataFrame or dict of arrays
        A survey passes through. Any frame narwhals supports becomes pandas; a pandas index stays.

    Returns
    -------
    Survey
        Without a codebook, unless it was a survey.

    Raises
    ------
    DataError
        If the data are no table; the message says what is accepted.

    Examples
    --------
    >>> from cxmodels.survey import as_survey
    >>> as_survey({"q1": [1, 2, 3]}).frame["q1"].tolist()
    [1, 2, 3]
    """
    return data if isinstance(data, Survey) else Survey(data)
