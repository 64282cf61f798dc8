"""Whom the commands that train tell of their runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    import passband.tracking.tracker


@dataclass(frozen=True, kw_only=True)
class TrackOptions:
    """Who is told of runs while they train, beside TensorBoard.

    Attributes:
        track: wandb, mlflow or trackio.
        track_project: What that one calls these runs together: a project, or an experiment.
    """

    track: Literal["mlflow", "trackio", "wandb"] | None = None
    track_project: str = "passband"

    def open(self) -> list[passband.tracking.tracker.Tracker]:
        """Return the trackers, TensorBoard's among them.

        Raises:
            MissingDependencyError: If the one that is asked for is not installed.
            InputError: If it is not logged in, or has no place to write to.
        """
        from passband.tracking.catalog import make_trackers

        return make_trackers(self.track, self.track_project)


TRACK_DEFAULTS = TrackOptions()
TrackFlags = Annotated[TrackOptions, Parameter(name="*")]
