"""Files from hubs of models: from the cache where they are there, else from a server that is asked first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from passband.errors import DownloadError
from passband.optional import require


def download(
    name: str, get: Callable[[], Any], advice: str = "Where there is no network, give a file with --weights."
) -> Any:
    """Return what `get` returns, which may have to fetch the published weights of a network.

    Raises:
        DownloadError: If it fails.
    """
    try:
        return get()
    except Exception as error:  # every library on the way to a server raises errors of its own
        raise DownloadError(
            f"the published weights of {name} could not be had ({type(error).__name__}: {error}). {advice}"
        ) from error


def cached(repository: str, files: Sequence[str], *, extra: str) -> str | None:
    """Return the path of the first of these files of a repository that is in the hub's cache."""
    hub = _hub(extra)
    for file in files:
        path = hub.try_to_load_from_cache(repository, file)
        if isinstance(path, str):
            return path
    return None


def ask_server(*, extra: str) -> None:
    """Ask for a sign of life, and raise what the connection raises if there is none: else the hub's client tries for a minute."""
    hub = _hub(extra)
    hub.utils.get_session().head(hub.constants.ENDPOINT, timeout=5)


def _hub(extra: str) -> Any:
    return require("huggingface_hub", extra=extra, purpose="loading published weights")
