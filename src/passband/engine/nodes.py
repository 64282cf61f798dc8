"""The nodes of a Ray cluster: joining them, and whether each is fit for our work before it gets any."""

from __future__ import annotations

import os
import signal
import socket
import threading
import uuid
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from passband.engine.shared import open_place
from passband.environment import versions
from passband.errors import InputError, few
from passband.files import Digest
from passband.optional import require
from passband.user_modules import said

ALONE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Environment of a cluster that is this computer alone: it listens on loopback only, and reports to nobody."""

LOOPBACK = "127.0.0.1"

KNOCK = 10.0
"""Seconds that a cluster has to answer at its address."""

LOOK = 300.0
"""Seconds that a node has to say what it is; a busy one may take some to start a process."""


def join(address: str | None) -> Any:
    """Connect this process to a cluster, or to a new one that is this computer alone, and return the module `ray`.

    Raises:
        InputError: If there is no cluster at the address, or this process cannot be part of it.
        MissingDependencyError: If ray is not installed.
    """
    if address is not None and "://" in address:
        raise InputError(
            f"{address} is a door for programs outside of a cluster. Start this on a computer of the cluster, with --address auto, or "
            "give HOST:PORT."
        )
    heard = signal.getsignal(signal.SIGTERM)
    with _environment(ALONE if address is None else {}):
        ray = require("ray", extra="cluster", purpose="work on a Ray cluster")
        if ray.is_initialized():
            raise InputError(
                "this process is part of a Ray cluster already. Leave that first: ray.shutdown()"
            )
        alone = {"_node_ip_address": LOOPBACK, "include_dashboard": False}
        try:
            _knock(address)
            ray.init(
                "local" if address is None else address,
                log_to_driver=False,
                logging_level="error",
                **(alone if address is None else {}),
            )
        except Exception as error:  # of connections, versions, addresses: each has a kind of its own
            raise InputError(
                f"cannot join the Ray cluster at {address or 'this computer'} ({said(error)}). Is it running, and is this computer part of "
                "it? Start it with: ray start --head; and on other computers: ray start --address=HOST:PORT"
            ) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, heard)  # Ray has put its own in its place
    if address is None and any(node["NodeManagerAddress"] != LOOPBACK for node in alive(ray)):
        ray.shutdown()
        raise InputError(
            "ray was imported before this, and would let other computers in. Import it later, or start a cluster with "
            "ray start --head and give its --address."
        )
    return ray


def _knock(address: str | None) -> None:
    """Raise OSError where nobody listens, which Ray would go on asking for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK).close()


def alive(ray: Any) -> list[Mapping[str, Any]]:
    """Return the nodes that are there now."""
    return [node for node in ray.nodes() if node["Alive"]]


def room(node: Mapping[str, Any], *, threads: int, gpus: float) -> int:
    """Return how many calls a node takes at a time, when nothing else runs there."""
    resources = node["Resources"]
    places = int(resources.get("CPU", 0) // threads)
    return min(places, int(resources.get("GPU", 0) / gpus + 1e-9)) if gpus else places


def check_nodes(ray: Any, nodes: Iterable[Mapping[str, Any]], place: str, *, is_store: bool) -> None:
    """Refuse nodes whose results could differ from those of this process, or would not be seen here.

    Args:
        ray: The module.
        nodes: Which.
        place: A path or URL where results are written; each node must see there what this process writes.
        is_store: Whether it is the store itself, for the message.

    Raises:
        InputError: If a node has other versions or code, or does not see the place, or this process cannot write to it.
    """
    system, root = open_place(place)
    token, content = f"{root.rstrip('/')}/.passband-{uuid.uuid4().hex}", uuid.uuid4().hex
    try:
        system.makedirs(root, exist_ok=True)
        system.pipe_file(token, content.encode())
    except Exception as error:  # whatever a file system raises
        raise InputError(f"cannot write to {place} ({said(error)})") from error
    strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    task = ray.remote(num_cpus=0, max_retries=0, max_calls=1)(_look)
    mine = numbers_depend_on()
    asked = [(node, task.options(scheduling_strategy=strategy(node["NodeID"], soft=False))) for node in nodes]
    try:
        for node, reference in [(node, look.remote(place, token)) for node, look in asked]:
            name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
            try:
                theirs, seen = ray.get(reference, timeout=LOOK)
            except (ray.exceptions.NodeDiedError, ray.exceptions.TaskUnschedulableError):
                continue  # it is gone, or about to go: should it get work all the same, that is checked there
            except (ray.exceptions.RayError, TimeoutError) as error:
                raise InputError(
                    f"the node {name} cannot work ({said(error).splitlines()[0]}). Install the same there as here."
                ) from error
            check_alike(theirs, mine, name)
            if seen != content:
                hint = " Give --shared a path or a URL that all nodes reach, through which results come back."
                raise InputError(
                    f"the node {name} does not see what is written to {place} here ({seen})."
                    + hint * is_store
                )
    finally:
        system.rm_file(token)


def check_alike(theirs: Mapping[str, str], mine: Mapping[str, str], node: str) -> None:
    """Refuse a node where numbers could come out differently.

    Args:
        theirs: What `numbers_depend_on` returned there.
        mine: What it returns here.
        node: What the node is called.

    Raises:
        InputError: If they differ.
    """
    others = [
        f"{what} {theirs.get(what, 'missing')} instead of {mine.get(what, 'none')}"
        for what in sorted({*theirs, *mine})
        if theirs.get(what) != mine.get(what)
    ]
    if others:
        raise InputError(
            f"the node {node} has {few(others, 6)}: its results could differ. Install the same there as here."
        )


@cache
def numbers_depend_on() -> dict[str, str]:
    """Return the versions of Python and of packages that decide numbers, and a hash of passband's code."""
    code, home = Digest(), Path(__file__).parents[1]
    for path in sorted(home.rglob("*.py")):
        code.add(str(path.relative_to(home)).encode())
        code.add(path.read_bytes())
    return versions() | {"code of passband": str(code)}


def _look(place: str, token: str) -> tuple[dict[str, str], str]:
    """Return what numbers depend on where this is called, and what a file holds there, or why it cannot be read."""
    try:
        seen = open_place(place)[0].cat_file(token).decode()
    except Exception as error:  # whatever a file system raises
        seen = said(error)
    return numbers_depend_on(), seen


@contextmanager
def _environment(values: Mapping[str, str]) -> Generator[None]:
    """Let environment variables have these values meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
