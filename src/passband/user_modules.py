"""Python code of the user's: a file or an installed module, from which a model or a study is taken.

A file is imported under a name that follows from its place and its content. So the same file is the same module however
often it is asked for, a changed one is another, and a new process can import it again (`import_again`), which must
happen before it can read pickled objects of the file's classes.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.abc import SourceLoader
from pathlib import Path
from types import ModuleType

from passband.errors import InputError
from passband.files import digest

_HASHES: dict[str, str | None] = {}  # of the source of each file and module, as it was imported last
_FILES: dict[str, bytes] = {}  # the source of each file, likewise
_BROUGHT: dict[str, bytes] = {}  # that of files of another computer, whose paths need not be there here
_HOME = Path()  # where relative paths begin; with files of another computer, the working folder there


def split_place(place: str, *, kind: str, prefix: str = "") -> tuple[str, str]:
    """Return the module and the name in `package.module:NAME` or `path/to/file.py:NAME`.

    Args:
        place: The text.
        kind: What it names, such as `"a study"`, for the error.
        prefix: What stands before it where the user writes it, such as `"python:"`.

    Raises:
        InputError: If it is not written so.

    Example:
        >>> split_place("mine.py:study", kind="a study")
        ('mine.py', 'study')
    """
    module, _, name = place.rpartition(":")
    if not module or not name:
        raise InputError(
            f"{kind} is written {prefix}package.module:NAME or {prefix}path/to/file.py:NAME, got '{prefix}{place}'"
        )
    return module, name


def import_code(module: str) -> ModuleType:
    """Import `package.module` or `path/to/file.py`. It runs that code.

    Raises:
        InputError: If it cannot be imported, or fails when it is.
    """
    with importable(module):
        try:
            if is_file(module):
                return _import_file(Path(module))
            found = importlib.import_module(module)
        except (Exception, SystemExit) as error:
            hint = ""
            if isinstance(error, ModuleNotFoundError) and not is_file(module):
                hint = " A file that is not installed is written path/to/file.py."
            raise InputError(f"cannot import {module!r} ({said(error)}).{hint}") from error
    source = Path(found.__file__ or "")
    _HASHES.setdefault(module, digest(source.read_bytes()) if is_file(source.name) else None)
    return found


def is_file(module: str) -> bool:
    """Return whether a module is named by its file."""
    return module.endswith(".py")


def whole_name(module: str) -> str:
    """Return a file with its whole path, and a module as it is."""
    return str((_HOME / module).resolve()) if is_file(module) else module


def is_there(module: str) -> bool:
    """Return whether the file that names a module lies here, or was brought."""
    place = whole_name(module)
    return place in _BROUGHT or Path(place).is_file()


def code_hash(module: str) -> str:
    """Return a hash of the source of `package.module` or `path/to/file.py`, as this process imported it last.

    What the source imports itself does not count. What was not imported yet is imported.

    Raises:
        InputError: If it cannot be imported, or has no source.
    """
    if whole_name(module) not in _HASHES:
        import_code(module)
    found = _HASHES[whole_name(module)]
    if found is None:
        raise InputError(f"{module} has no source in Python, so a change of it would not be noticed")
    return found


def imported_code() -> dict[str, str]:
    """Return the user's files and modules that this process has imported, with the hashes of their source."""
    return {module: found for module, found in _HASHES.items() if found is not None}


def imported_files() -> dict[str, bytes]:
    """Return the source of the user's files that this process has imported, by their paths."""
    return dict(_FILES)


def bring_files(files: Mapping[str, bytes], home: str) -> None:
    """Let this process import another computer's files as if they lay here. What they import from beside them must lie here.

    Args:
        files: What `imported_files` returned there.
        home: The working folder there.
    """
    global _HOME
    _BROUGHT.update(files)
    _HOME = Path(home)


def import_again(code: Mapping[str, str]) -> None:
    """Import what another process had imported, in its order.

    Raises:
        InputError: If something has changed since, or cannot be imported.
    """
    for module, found in code.items():
        import_code(module)
        if code_hash(module) != found:
            raise InputError(f"{module} has changed since it was imported: start again")


@contextmanager
def importable(module: str) -> Generator[None]:
    """Let code of a file import what lies beside it, as it could if it were run as a script."""
    before = list(sys.path)
    if is_file(module):
        sys.path.insert(0, str(Path(module).resolve().parent))
    try:
        yield
    finally:
        sys.path[:] = before


def said(error: BaseException) -> str:
    """Return what an error of the user's code says, with its type."""
    return f"{type(error).__name__}: {error}".strip(": ")


class _Source(SourceLoader):
    """Loads a file of which the source was read already, perhaps on another computer."""

    def __init__(self, path: Path, source: bytes) -> None:
        self._path, self._source = path, source

    def get_filename(self, fullname: str) -> str:
        """Return the file's path."""
        return str(self._path)

    def get_data(self, path: str) -> bytes:
        """Return its source."""
        return self._source


def _import_file(asked: Path) -> ModuleType:
    path = (_HOME / asked).resolve()
    source = _BROUGHT.get(str(path))
    if source is None:
        if not path.is_file():
            raise FileNotFoundError(f"no file {asked}")
        source = path.read_bytes()
    stem = re.sub(r"\W", "_", path.stem)
    name = f"passband_user_{stem}_{digest(str(path).encode(), source)}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path, loader=_Source(path, source))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pickle look their module up
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    _HASHES[str(path)], _FILES[str(path)] = digest(source), source
    return sys.modules[name]
