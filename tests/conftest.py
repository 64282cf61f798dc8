"""What all tests share: where real data lie, one thread, the same random numbers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
import torch
from hypothesis import settings

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

# A first call compiles kernels and imports libraries, so a deadline would only measure that.
settings.register_profile("passband", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("passband")


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Return a function from a name such as `"mnist"` to the folder of that data set; it skips where there is none."""

    def find(name: str) -> Path:
        folder = SHARED_DATA / name
        if not folder.exists():
            pytest.skip(f"real data are not at hand: {folder} does not exist")
        return folder

    return find


@pytest.fixture(autouse=True)
def repeatable() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Two threads a worker on two cores are slower than one, and sums depend on the number of threads."""
    torch.set_num_threads(1)


@pytest.fixture
def untyped() -> Iterator[None]:
    """Switch shape checking off: users do not have it, and must get our message."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine")
    quiet = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
    ]
    with playwright.sync_playwright() as session:
        launched = session.chromium.launch(
            executable_path=path, args=[*quiet, "--disable-component-update", "--disable-sync"]
        )
        yield launched
        launched.close()
