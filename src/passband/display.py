"""How results show themselves in Python: as text, as a chart, as a table of pandas, and in a notebook.

What draws stands above what is drawn, in `passband.report`, and nothing here or in a result needs it: it is looked up by its name
when somebody asks to see something, as commands and instruments are.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from passband.errors import MissingDependencyError

DRAWN_BY = "passband.report.notebook"


class Told:
    """A result that says itself in words, and in a notebook."""

    def summary(self) -> str:
        """Return it in a few sentences, claiming no more than it supports."""
        return import_module(DRAWN_BY).summary(self)

    def _repr_html_(self) -> str:
        """Return it as a notebook shows it: in words, with a picture where the extra `report` is installed."""
        return import_module(DRAWN_BY).html(self)


class Displayed(Told):
    """A result that also has a chart, and whose `rows` are a table."""

    def plot(self) -> Any:
        """Return its most telling chart, an `altair.LayerChart`, which notebooks draw and `.save("chart.svg")` writes.

        Raises:
            MissingDependencyError: If altair is not installed.
        """
        return import_module(DRAWN_BY).plot(self)

    def to_pandas(self) -> Any:
        """Return its rows as a `pandas.DataFrame`.

        Raises:
            MissingDependencyError: If pandas or pyarrow is not installed, of which passband needs neither.
        """
        return as_pandas(self.rows)  # ty: ignore[missing-attribute]


def as_pandas(table: Any) -> Any:
    """Return a table of polars as one of pandas.

    Raises:
        MissingDependencyError: If pandas or pyarrow is not installed.
    """
    try:
        return table.to_pandas()
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "to_pandas needs pandas and pyarrow. Install them with: pip install pandas pyarrow; or go on with .rows, the same as a table "
            "of polars."
        ) from error
