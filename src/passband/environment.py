"""What a number was measured with: versions and machine."""

from __future__ import annotations

import platform
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from passband.checks import check_device_name
from passband.errors import InputError

PROMPT = {"cpu"}
"""Devices that a number is read from as soon as it is asked for. Others work behind, and whoever asks waits until they have caught
up, while they are given nothing to do."""

REPORTED = ("passband", "torch", "torchvision", "lightning-fabric", "timm", "numpy", "scipy", "polars")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that numbers depend on, where installed."""
    found = {"python": platform.python_version()}
    for package in REPORTED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Return versions, platform, device and threads, as a manifest holds them."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "versions": versions(),
        "platform": platform.platform(),
        "device": str(device),
        "device_name": name,
        "threads": torch.get_num_threads(),
    }


@contextmanager
def limited_threads(threads: int | None) -> Generator[None]:
    """Let torch, and what reads pictures, use so many threads meanwhile; None leaves them as they are."""
    if threads is None:  # what is set again to what it is binds MKL to it, which chose by itself before
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; `"auto"` is CUDA, else MPS, else the CPU.

    Raises:
        InputError: If this machine has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    check_device_name(name)
    device = torch.device(name)
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available[device.type]:
        raise InputError(
            f"device {name!r} is not available on this machine. Use --device auto or --device cpu."
        )
    return device


def is_prompt(device: torch.device) -> bool:
    """Return whether numbers may be asked of a device between steps; else they are asked once, at the end."""
    return device.type in PROMPT
