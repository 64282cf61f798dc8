"""Python code of the user's: a file or an installed module, from which a model or a study is taken.

A file is imported under a name that follows from its place and its content. So the same file is the same module however
often it is asked for, a changed one is another, and a new process can import it again (`imported_files`), which must
happen before it can read pickled objects of the file's classes.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from passband.errors import InputError
from passband.files import digest

_IMPORTED: dict[Path, str] = {}  # files and the names of their modules, the latest of each file


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
            return _import_file(Path(module)) if is_file(module) else importlib.import_module(module)
        except (Exception, SystemExit) as error:
            hint = ""
            if isinstance(error, ModuleNotFoundError) and not is_file(module):
                hint = " A file that is not installed is written path/to/file.py."
            raise InputError(f"cannot import {module!r} ({said(error)}).{hint}") from error


def is_file(module: str) -> bool:
    """Return whether a module is named by its file."""
    return module.endswith(".py")


def code_hash(module: str) -> str:
    """Return a hash of the source of `package.module` or `path/to/file.py`; what it imports itself does not count.

    Raises:
        InputError: If there is no such file or module, or it has no source.
    """
    file = Path(module)
    if not is_file(module):
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            spec = None
        if spec is None or spec.origin is None or not is_file(spec.origin):
            raise InputError(
                f"no source of a module {module!r}. A file that is not installed is written path/to/file.py."
            )
        file = Path(spec.origin)
    if not file.is_file():
        raise InputError(f"no file {file}")
    return digest(file.read_bytes())


def imported_files() -> dict[Path, str]:
    """Return the user's files that this process has imported, with the names of their modules."""
    return dict(_IMPORTED)


def import_again(files: Iterable[tuple[Path, str]]) -> None:
    """Import files that another process had imported under these names.

    Raises:
        InputError: If a file has changed since, or cannot be imported.
    """
    for file, name in files:
        if import_code(str(file)).__name__ != name:
            raise InputError(f"{file} has changed since it was imported: start again")


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


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    path = path.resolve()
    stem = re.sub(r"\W", "_", path.stem)
    name = f"passband_user_{stem}_{digest(str(path).encode(), path.read_bytes())}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pickle look their module up
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    _IMPORTED[path] = name
    return sys.modules[name]
