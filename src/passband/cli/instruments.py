"""`passband instruments`."""

from __future__ import annotations

from passband.cli import options
from passband.cli.console import print_json, print_table
from passband.instruments.catalog import INSTRUMENTS


def instruments(*, json: options.Json = False) -> int:
    """List the instruments that a network can be looked at with, which `passband audit --with NAME` adds to an audit."""
    if json:
        print_json([line._asdict() for line in INSTRUMENTS.lines.values()])
        return 0
    rows = [
        (line.name, line.summary, line.source, "yes" if line.needs_gradient else "")
        for line in INSTRUMENTS.lines.values()
    ]
    print_table("Instruments", ("name", "measures", "in the paper", "needs a gradient"), rows, wrapped=True)
    return 0
