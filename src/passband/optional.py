"""The one place where optional dependencies are imported."""

from __future__ import annotations

import importlib
from types import ModuleType

from passband.errors import MissingDependencyError


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional dependency, or say which extra installs it.

    Args:
        module: The module to import, such as `"timm"`.
        extra: The extra of passband that installs it, such as `"models"`.
        purpose: What needs it, as the beginning of a sentence, such as `"loading a timm model"`.

    Raises:
        MissingDependencyError: If the module is not installed.

    Example:
        >>> require("json", extra="report", purpose="writing a report").__name__
        'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise  # the dependency is there, and something that it needs itself is not
        raise MissingDependencyError(
            f'{purpose} needs {module}. Install it with: pip install "passband[{extra}]"'
        ) from error
