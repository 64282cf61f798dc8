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
from pathlib import Path
from types import ModuleType

from passband.errors import InputError
from passband.files import digest

_HASHES: dict[str, str | None] = {}  # of the source of each file and module, as it was imported last


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


def code_hash(module: str) -> str:
    """Return a hash of the source of `package.module` or `path/to/file.py`, as this process imported it last.

    What the source imports itself does not count. What was not imported yet is imported.

    Raises:
        InputError: If it cannot be imported, or has no source.
    """
    if _key(module) not in _HASHES:
        import_code(module)
    found = _HASHES[_key(module)]
    if found is None:
        raise InputError(f"{module} has no source in Python, so a change of it would not be noticed")
    return found


def imported_code() -> dict[str, str]:
    """Return the user's files and modules that this process has imported, with the hashes of their source."""
    return {module: found for module, found in _HASHES.items() if found is not None}


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


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    path = path.resolve()
    source = path.read_bytes()
    stem = re.sub(r"\W", "_", path.stem)
    name = f"passband_user_{stem}_{digest(str(path).encode(), source)}"
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
    _HASHES[_key(str(path))] = digest(source)
    return sys.modules[name]


def _key(module: str) -> str:
    return str(Path(module).resolve()) if is_file(module) else module
