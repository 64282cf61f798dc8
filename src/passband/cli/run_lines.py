"""What is in a store, as a line, and as JSON."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from passband.cli.console import age, size
from passband.results.described import describe_settings
from passband.results.listing import Entry


def entry_line(entry: Entry, *, measurements: bool) -> list[str]:
    """Return the cells of its line in a list."""
    last = [
        size(entry.size),
        age(time.time() - entry.changed) if entry.changed else "",
        entry.data,
        entry_words(entry),
    ]
    if measurements:
        return [entry.name, entry_status(entry), str(entry.description.get("run", "")), *last]
    done, total = entry.epochs
    epochs = (
        "" if total is None else str(total) if done == total else f"{'?' if done is None else done}/{total}"
    )
    accuracy = "" if entry.accuracy is None else f"{100 * entry.accuracy:.1f}%"
    seed = entry.settings.get("seed")
    return [entry.name, entry_status(entry), accuracy, epochs, "" if seed is None else str(seed), *last]


def entry_status(entry: Entry) -> str:
    """Return its status as it is shown."""
    if entry.status == "failed":
        return "failed (diverged)"
    if entry.status in ("older", "newer"):
        return f"{entry.status} schema"
    return entry.status


def entry_words(entry: Entry) -> str:
    """Return what it is in few words, and why it is no result, if it is none."""
    what = describe_settings(entry.kind, entry.settings) if entry.settings else ""
    return f"{what} ({entry.why})".strip() if entry.status in ("running", "damaged", "orphaned") else what


def entry_plain(entry: Entry) -> dict[str, Any]:
    """Return an entry as JSON holds it."""
    done, total = entry.epochs
    return {
        "id": entry.id,
        "kind": entry.kind,
        "folder": str(entry.folder),
        "status": entry.status,
        "why": entry.why,
        "schema": entry.description.get("schema"),
        "data": entry.data,
        "what": entry_words(entry),
        "settings": dict(entry.settings),
        "run": entry.description.get("run"),
        "epoch": done,
        "epochs": total,
        "test_accuracy": entry.accuracy,
        "bytes": entry.size,
        "changed": entry.changed,
    }


def totals(entries: Sequence[Entry], called: str) -> list[str]:
    """Return how many there are, of which status, and how large they are; and what must be known of those of other schemas."""
    statuses = Counter(map(entry_status, entries))
    each = ", ".join(f"{count:,} {status}" for status, count in statuses.items())
    lines = [
        f"{counted(len(entries), called)}{f': {each}' if each else ''}; {size(sum(entry.size for entry in entries))}"
    ]
    if any(entry.status in ("older", "newer") for entry in entries) and called == "run":
        lines.append(
            "Those of another schema were made by a version of passband that gives other numbers under equal settings: as models they "
            "are read, `passband runs export` takes their rows, and no study finds them again."
        )
    return lines


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number of things with what they are called.

    Example:
        >>> counted(1, "run"), counted(2000, "run")
        ('1 run', '2,000 runs')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
