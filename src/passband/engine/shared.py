"""A place that all nodes of a cluster reach, through which results travel where the nodes do not see the store.

It holds objects that are put there whole, and need not be a file system: nothing is renamed in it. A node works in scratch space of
its own; what is finished comes from there to the store by way of an archive, and a run's checkpoints go on in another node.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from shutil import rmtree
from typing import Any, TypeVar

from passband.engine.engine import Crashed
from passband.engine.events import EpochDone, Event, Note, Tell
from passband.engine.planned import Planned
from passband.errors import DamagedError, InputError
from passband.files import check_seal, digest, written_whole
from passband.results.lock import locked
from passband.results.store import is_ours
from passband.train.checkpoint import checkpoint_folder, load_checkpoint, remove_checkpoint
from passband.user_modules import said

SCRATCH = "passband-scratch-"
ONE_PROCESS = ("memory", "local-memory")
"""File systems that another process would not see."""

LEFT = re.compile(r"(?P<kind>[^/]+)/(?P<name>[^/]+)\.(zip|checkpoint/\d+)$")

Kind = TypeVar("Kind", bound=Planned)


@dataclass(frozen=True)
class Shared:
    """A place for results on their way, by the paths that they have in a store: `runs/41ef3bdca8f6`.

    Attributes:
        url: A path, or a URL as fsspec takes it, such as `s3://bucket/folder`.
        store: Tells stores apart that share the place.
    """

    url: str
    store: str = ""

    def of(self, store: Path) -> Shared:
        """Return the part of it that belongs to one store."""
        return replace(self, store=digest(str(store.absolute()).encode()))

    def put(self, planned: Planned) -> None:
        """Put what is finished there, as one archive."""
        system, place = self._at(f"{_name(planned)}.zip")
        _make_parent(system, place)
        # A list of names ends the archive, so that one that was cut has none; the seal knows what else may be missing.
        with system.open(place, "wb") as target, zipfile.ZipFile(target, "w") as archive:
            for path in sorted(planned.folder.rglob("*")):
                archive.write(path, path.relative_to(planned.folder))

    def fetch(self, planned: Planned) -> bool:
        """Write the folder of what is planned from its archive; return whether there is one, whole."""
        system, place = self._at(f"{_name(planned)}.zip")
        try:
            with (
                system.open(place, "rb") as source,
                zipfile.ZipFile(source) as archive,
                written_whole(planned.folder) as aside,
            ):
                archive.extractall(aside)
                check_seal(aside)
        except (FileNotFoundError, zipfile.BadZipFile, DamagedError):  # its writer may have been killed
            return False
        return True

    def holds(self, planned: Planned) -> bool:
        """Return whether there is an archive of what is planned."""
        system, place = self._at(f"{_name(planned)}.zip")
        return system.exists(place)

    def put_checkpoint(self, planned: Planned) -> None:
        """Put the checkpoint of a run there, beside the last one, which is removed once this one is there."""
        file = checkpoint_folder(planned.folder) / "state.pt"
        if not file.is_file():
            return
        earlier = self.checkpoints(planned)
        number = int(earlier[-1].rpartition("/")[2]) + 1 if earlier else 0
        system, place = self._at(f"{_name(planned)}.checkpoint/{number:08d}")
        _make_parent(system, place)
        system.put_file(str(file), place)
        for each in earlier:
            system.rm_file(each)

    def fetch_checkpoint(self, planned: Planned) -> None:
        """Write the checkpoint of a run beside its folder: the last one that is whole, if there is any."""
        system, _ = self._at("")
        folder = checkpoint_folder(planned.folder)
        for each in reversed(self.checkpoints(planned)):
            folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError, DamagedError):
                system.get_file(each, str(folder / "state.pt"))
                load_checkpoint(planned.folder)
                return
            remove_checkpoint(planned.folder)

    def remove(self, planned: Planned) -> None:
        """Remove the archive of what is planned, if there is one."""
        system, place = self._at(f"{_name(planned)}.zip")
        with suppress(FileNotFoundError):
            system.rm_file(place)

    def tidy(self, store: Path) -> None:
        """Remove archives and checkpoints of all that a store holds."""
        system, root = self._at("")
        for place in system.find(root):
            found = LEFT.search(place)
            if found is not None and (store / found["kind"] / found["name"]).is_dir():
                with suppress(FileNotFoundError):
                    system.rm_file(place)

    def checkpoints(self, planned: Planned) -> list[str]:
        """Return the places of checkpoints, the last one last."""
        system, place = self._at(f"{_name(planned)}.checkpoint")
        try:
            found = system.ls(place, detail=False)
        except FileNotFoundError:
            return []
        return sorted(each for each in found if each.rpartition("/")[2].isdigit())

    def _at(self, name: str) -> tuple[Any, str]:
        """Return the file system, which remembers nothing that other nodes may have changed, and a place in it."""
        system, root = open_place(self.url)
        system.invalidate_cache()
        return system, "/".join(part for part in (root.rstrip("/"), self.store, name) if part)


def open_place(url: str) -> tuple[Any, str]:
    """Return fsspec's file system of a path or a URL, and the path in it.

    Raises:
        InputError: If there is no such file system, it is not installed, or other processes would not see it.
    """
    from fsspec.core import url_to_fs
    from fsspec.implementations.local import LocalFileSystem

    if "://" not in url and "::" not in url:
        return LocalFileSystem(), url
    try:
        system, root = url_to_fs(url)
    except (ImportError, ValueError) as error:  # it says what to install
        raise InputError(f"the shared place {url} cannot be opened ({said(error)})") from error
    protocols = {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)
    if protocols & {*ONE_PROCESS}:
        raise InputError(f"{url} is the memory of one process. Share a path or a URL that all nodes reach.")
    return system, root


def absolute_place(url: str) -> str:
    """Return a path so that other computers know what is meant; a URL as it is."""
    return url if "://" in url or "::" in url else str(Path(url).expanduser().absolute())


def moved(planned: Kind, place: Callable[[Path], Path]) -> Kind:
    """Return what is planned, with its folder, and that of what it needs, where `place` has them."""
    inner = {
        each.name: moved(value, place)
        for each in fields(planned)
        if isinstance(value := getattr(planned, each.name), Planned)
    }
    return replace(planned, folder=place(planned.folder), **inner)


def do_apart(planned: Planned, shared: Shared, *, device: str, threads: int, tell: Tell) -> None:
    """Do what is planned on a node that does not see the store: its result, and each checkpoint, is put into the shared place.

    Raises:
        Crashed: If what it needs is no longer there.
    """
    with _scratch() as store:
        here = moved(planned, lambda folder: store / folder.parent.name / folder.name)
        if here.needs is not None and not shared.fetch(here.needs):
            raise Crashed(f"{_name(here.needs)}, which it needs, was removed from {shared.url}")
        if shared.fetch(here) and here.done:  # whoever waited for it was killed
            return
        shared.fetch_checkpoint(here)

        def told(event: Event) -> None:
            if isinstance(event, EpochDone):
                try:
                    shared.put_checkpoint(here)
                except Exception as error:  # whatever a file system raises, the run can go on
                    tell(Note(f"its checkpoint could not be put into {shared.url} ({said(error)})"))
            tell(event)

        here.do(device=device, threads=threads, tell=told)
        shared.put(here)


def prepare(planned: Planned, shared: Shared) -> None:
    """Put what a node does not have into the shared place: a run that is to be measured, or one that began here.

    Raises:
        InputError: If something else than results lies where the result will be, or it has no folder of its own.
    """
    folder = planned.folder
    if folder.name != planned.id:
        raise InputError(
            f"what is kept in {folder} does not travel through {shared.url}. Choose a place for results that all nodes see, and leave "
            "--shared out."
        )
    if folder.exists() and not (folder.is_dir() and (is_ours(folder) or not any(folder.iterdir()))):
        raise InputError(
            f"{folder} holds something else than a result. Move it away, or choose another store."
        )
    if planned.needs is not None and not shared.holds(planned.needs):
        shared.put(planned.needs)
    if not shared.checkpoints(planned):
        shared.put_checkpoint(planned)


def bring(planned: Planned, shared: Shared) -> None:
    """Bring what is finished into the store; its archive stays for what needs it.

    Raises:
        Crashed: If it is not there, not whole, or not what is planned.
    """
    with locked(planned.folder):
        if not planned.done and not (shared.fetch(planned) and planned.done):
            for each in (planned, planned.needs):  # weights may be others than those in the store
                if each is not None:
                    shared.remove(each)
            raise Crashed(f"its result was removed from {shared.url}, or cut on its way there")
        remove_checkpoint(planned.folder)


def _make_parent(system: Any, place: str) -> None:
    system.makedirs(place.rpartition("/")[0], exist_ok=True)


def _name(planned: Planned) -> str:
    return f"{planned.folder.parent.name}/{planned.folder.name}"


@contextmanager
def _scratch() -> Generator[Path]:
    """Yield an empty folder of this node, and remove those of processes that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*"):
        with (
            suppress(OSError, InputError),
            locked(left, wait=False),
        ):  # it was held as long as its process lived
            rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=SCRATCH))
    try:
        with locked(folder):
            yield folder
    finally:
        rmtree(folder, ignore_errors=True)
