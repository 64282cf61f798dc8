"""MLflow: a run of its experiment for each run here, on its server or in its database (`MLFLOW_TRACKING_URI`)."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from passband.errors import InputError
from passband.files import slug
from passband.optional import require
from passband.tracking.tracker import Outcome, Session, Tracked, Tracker

ID = "passband.run"
"""The tag by which a run is found again."""

STATUSES: dict[Outcome, str] = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
LONGEST = 500
"""Characters that a parameter may have on every server."""

PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""How often and how many seconds a server that is away is asked, where nothing else is said: minutes by itself."""


class MLflow(Tracker):
    """Logs to an experiment.

    Args:
        project: The experiment's name.
    """

    name = "mlflow"

    def __init__(self, project: str) -> None:
        self.project = project

    @property
    def place(self) -> str:
        """The experiment."""
        return slug(f"{self.name}-{self.project}")

    def check(self) -> None:
        """Refuse a library that is not installed, or that has no place to write to."""
        try:
            _client()
        except (
            Exception
        ) as error:  # MLflow's own, and those of its databases, which this installation may not have
            if isinstance(error, ImportError):
                raise
            said = str(error).split("\n")[0]
            raise InputError(
                f"MLflow cannot write where it is told to: {said} Set MLFLOW_TRACKING_URI to a server's address, or install "
                "mlflow with its databases: pip install mlflow"
            ) from error

    def start(self, run: Tracked) -> tuple[Session, int]:
        """Begin a run, or go on with the one that has this tag."""
        client = _client()
        experiment = client.get_experiment_by_name(self.project)
        place = client.create_experiment(self.project) if experiment is None else experiment.experiment_id
        found = client.search_runs([place], f"tags.`{ID}` = '{run.id}'", max_results=1)
        if found:
            client.update_run(found[0].info.run_id, status="RUNNING")
            return Run(client, found[0].info.run_id), _last_epoch(client, found[0])
        made = client.create_run(place, run_name=run.name, tags={ID: run.id})
        settings = {name: str(value)[:LONGEST] for name, value in run.settings.items() if value is not None}
        _log(client, made.info.run_id, params=settings)
        return Run(client, made.info.run_id), 0


class Run(Session):
    """A run of MLflow's."""

    def __init__(self, client: Any, run: str) -> None:
        self._client, self._run = client, run

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log an epoch as a step, all of it at once."""
        _log(self._client, self._run, metrics=values, step=epoch)

    def finish(self, outcome: Outcome) -> None:
        """Say what became of it."""
        self._client.set_terminated(self._run, STATUSES[outcome])


def _client() -> Any:
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    return require("mlflow", extra="track", purpose="tracking with MLflow").MlflowClient()


def _log(
    client: Any,
    run: str,
    *,
    metrics: Mapping[str, float] | None = None,
    params: Mapping[str, str] | None = None,
    step: int = 0,
) -> None:
    from mlflow.entities import Metric, Param

    now = int(1000 * time.time())
    numbers = [Metric(name, value, now, step) for name, value in (metrics or {}).items()]
    client.log_batch(run, metrics=numbers, params=[Param(*each) for each in (params or {}).items()])


def _last_epoch(client: Any, run: Any) -> int:
    """Return the last epoch that all curves of a run have which have any: a server may have been cut off in between."""
    names = [name for name in run.data.metrics if name.startswith("train/fit-")]
    steps = [max(each.step for each in client.get_metric_history(run.info.run_id, name)) for name in names]
    return min(steps, default=0)
