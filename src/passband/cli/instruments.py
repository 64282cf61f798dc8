"""`passband instruments`."""

from __future__ import annotations

from passband.cli import options
from passband.cli.console import print_json, print_table
from passband.instruments.catalog import INSTRUMENTS


def instruments(*, json: options.Json = False) -> int:
    """List the instruments that a network can be looked at with, which `passband audit --with NAME` adds to an audit."""
    if json:
        print_json(
            [
                {
                    "name": name,
                    "summary": instrument.summary,
                    "source": instrument.source,
                    "needs_gradient": instrument.needs_gradient,
                }
                for name, instrument in INSTRUMENTS.items()
            ]
        )
        return 0
    rows = [
        (name, instrument.summary, instrument.source, "yes" if instrument.needs_gradient else "")
        for name, instrument in INSTRUMENTS.items()
    ]
    print_table("Instruments", ("name", "measures", "in the paper", "needs a gradient"), rows, wrapped=True)
    return 0
