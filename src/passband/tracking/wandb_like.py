"""Trackers of Weights & Biases' shape: `init` begins a run, which has `log` and `finish`. trackio has taken that over."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Mapping
from contextvars import Context
from types import ModuleType
from typing import Any

from passband.errors import InputError, MissingDependencyError
from passband.files import slug
from passband.optional import require
from passband.tracking.tracker import Outcome, Session, Tracked, Tracker

WITHOUT_LOGIN = ("offline", "disabled", "dryrun", "shared")
"""Values of `WANDB_MODE` with which nobody need be logged in."""


class WandbLike(Tracker):
    """A tracker of that shape.

    Args:
        project: The project, in which all runs are.
        module: The library's name, which is the tracker's: `wandb` or `trackio`.
    """

    def __init__(self, project: str, module: str) -> None:
        self.project = project
        self.name = module

    @property
    def place(self) -> str:
        """The library and the project."""
        return slug(f"{self.name}-{self.project}")

    def check(self) -> None:
        """Refuse a library that is not installed, or that wants somebody to be logged in."""
        module = self._import()
        if self.name != "wandb" or os.environ.get("WANDB_MODE", "online") in WITHOUT_LOGIN:
            return
        with contextlib.redirect_stdout(sys.stderr):
            known = module.login(prompt=False, verify=False)
        if not known:
            raise InputError(
                "wandb is not logged in: run `wandb login`, or set WANDB_MODE=offline, and `wandb sync` later what it has kept"
            )

    def start(self, run: Tracked) -> tuple[Session, int]:
        """Begin a run, or go on with the one of this id."""
        module = self._import()
        options = {
            "project": self.project,
            "group": run.name.rpartition(", seed ")[0] or None,
            "config": {**run.settings, "run": run.id},
            "resume": "allow",
        }
        options |= _of_wandb(module, run) if self.name == "wandb" else _of_trackio(run)
        # A context of its own: in one that knows another run, that would be finished. And nothing that is said here is a result.
        with contextlib.redirect_stdout(sys.stderr):
            begun = Context().run(module.init, **options)
        own = self.name == "wandb"
        return Run(begun, has_codes=own), 0 if own else _last_step(begun)

    def _import(self) -> ModuleType:
        if self.name == "trackio":
            return _import_trackio()
        return require(self.name, extra="track", purpose=f"tracking with {self.name}")


class Run(Session):
    """A run that the library has begun."""

    def __init__(self, begun: Any, *, has_codes: bool) -> None:
        self._begun, self._has_codes = begun, has_codes

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log an epoch as a step."""
        self._begun.log(dict(values), step=epoch)

    def finish(self, outcome: Outcome) -> None:
        """Wait until all is kept or sent."""
        with contextlib.redirect_stdout(sys.stderr):
            self._begun.finish(**({"exit_code": int(outcome != "finished")} if self._has_codes else {}))


def _of_wandb(module: ModuleType, run: Tracked) -> dict[str, Any]:
    """Return what wandb takes. Steps that a run has already it drops by itself, so all may be logged again."""
    # What the parent of the processes that train says and takes is of no interest.
    quiet = module.Settings(silent=True, console="off", x_disable_stats=True)
    return {"id": run.id, "name": run.name, "reinit": "create_new", "settings": quiet}


def _of_trackio(run: Tracked) -> dict[str, Any]:
    """Return what trackio takes, to which a run's name is its id."""
    quiet = {"embed": False, "auto_log_gpu": False, "auto_log_cpu": False}
    return {"name": f"{run.name} ({run.id})", **quiet}


def _last_step(begun: Any) -> int:
    """Return the last step that trackio has of a run, which it would log again; it tells nobody else."""
    return max(begun._next_step - 1, 0)


def _import_trackio() -> ModuleType:
    """Return trackio, which no extra has: it wants an older Pillow than passband is tested with."""
    try:
        return importlib.import_module("trackio")
    except ModuleNotFoundError as error:
        if error.name != "trackio":
            raise
        raise MissingDependencyError(
            "tracking with trackio needs trackio. Install it with: pip install trackio"
        ) from error
