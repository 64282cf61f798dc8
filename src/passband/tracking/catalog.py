"""The trackers, one line each. TensorBoard's files are always written; the others where they are asked for."""

from __future__ import annotations

from collections.abc import Callable

from passband.errors import UnknownNameError
from passband.tracking.tracker import Tracker


def _mlflow(project: str) -> Tracker:
    from passband.tracking.mlflow import MLflow

    return MLflow(project)


def _wandb_like(module: str) -> Callable[[str], Tracker]:
    def make(project: str) -> Tracker:
        from passband.tracking.wandb_like import WandbLike

        return WandbLike(project, module)

    return make


TRACKERS: dict[str, Callable[[str], Tracker]] = {
    "mlflow": _mlflow,
    "trackio": _wandb_like("trackio"),
    "wandb": _wandb_like("wandb"),
}
"""Whom runs can be told to, by name: each takes the name of a project."""


def make_trackers(name: str | None, project: str) -> list[Tracker]:
    """Return TensorBoard's tracker, and the one that is asked for, which is found to be able to work.

    Args:
        name: One of `TRACKERS`; None is TensorBoard alone.
        project: What it calls all of these runs together.

    Raises:
        UnknownNameError: If there is none of that name.
        MissingDependencyError: If it is not installed.
        InputError: If it is not logged in, or has no place to write to.
    """
    from passband.tracking.tensorboard import TensorBoard

    if name is None:
        return [TensorBoard()]
    if name not in TRACKERS:
        raise UnknownNameError("tracker", name, TRACKERS)
    asked = TRACKERS[name](project)
    asked.check()
    return [TensorBoard(), asked]
