"""What is said of a source of data, such as `parquet:/data/imagenette-64`, without the place where it lies on one computer."""

from __future__ import annotations

from pathlib import Path


def without_place(source: str) -> str:
    """Return what of a source decides an id: a fingerprint says which images were read, so where they lie does not count.

    What follows `phantom:` says how images are drawn, and stays.

    Example:
        >>> without_place("parquet:/data/imagenette-64"), without_place("phantom:shape=0"), without_place("mnist")
        ('parquet', 'phantom:shape=0', 'mnist')
    """
    kind = source.partition(":")[0]
    return source if kind == "phantom" else kind


def to_publish(source: str) -> str:
    """Return a source as others may read it: of a place on this computer the last part alone.

    Example:
        >>> to_publish("parquet:/home/me/imagenette-64"), to_publish("/home/me/runs/fd0e780c627c"), to_publish("hf:owner/name")
        ('parquet:imagenette-64', 'fd0e780c627c', 'hf:owner/name')
        >>> to_publish("mnist")
        'mnist'
    """
    kind, colon, argument = ("", "", source) if _is_place(source) else source.partition(":")
    return f"{kind}{colon}{Path(argument).name}" if _is_place(argument) else source


def _is_place(text: str) -> bool:
    return Path(text).is_absolute() or text.startswith("~")


def data_name(source: str) -> str:
    """Return what results on a source of data are named after: not where it lies.

    Example:
        >>> data_name("fashion-mnist"), data_name("parquet:/data/imagenette-64")
        ('fashion-mnist', 'imagenette-64')
    """
    kind, _, argument = source.partition(":")
    return Path(argument).name or kind
