"""The chart of a comparison: how far each measure of accuracy is from the first audit's, with its interval."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from passband.audit.compare import Comparison, Difference
from passband.report.comparison_words import (
    OF_DETECTORS,
    beyond_chance,
    difference_text,
    in_percent,
    interval_text,
    measure_name,
    p_text,
)
from passband.report.detector_axes import points_axis, zero_line
from passband.report.figures import ROW
from passband.report.theme import LIGHT, SIZE, Chart, finish, load_altair

NOT_SHOWN = ("confidence", "area-lfc", "area-hfc")
COLORS = ("lfc", "hfc", "energy", "magenta", "violet", "ochre", "full")
OFFSET = 15  # pixels of an audit in a row that several share
SHORT = 14  # letters of names of which several stand in a row of the legend on a phone
TOLD = {"said": "difference, points", "p": "p (Holm)"}

Row = dict[str, Any]


def shown_differences(found: Comparison) -> list[Difference]:
    """Return the differences that the chart shows: of accuracies, and of detectors their mAP, whole images first."""
    of_detectors = any(d.measure == "map" for d in found.differences)
    shown = [
        d
        for d in found.differences
        if d.first is not None and d.second is not None and in_percent(d.measure)
        if (OF_DETECTORS.fullmatch(d.measure) if of_detectors else d.measure not in NOT_SHOWN)
    ]
    order = ("clean", "map", "top5")  # the other measures follow in the order in which they were measured
    return sorted(shown, key=lambda d: order.index(d.measure) if d.measure in order else len(order))


def differences_chart(found: Comparison) -> Chart:
    """Draw the differences from the first audit as points with their intervals, filled where they are more than chance explains.

    Of one audit beside the first, colors tell the components; of several, they tell the audits, which share a measure's row.
    """
    alt, names = load_altair(), found.names[1:]
    rows = [_row(d, names) for d in shown_differences(found)]
    measures, alone = list(dict.fromkeys(row["measure"] for row in rows)), len(names) == 1
    tooltip = [alt.Tooltip(f"{part}:N", title=title) for part, title in TOLD.items()]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("measure:N", title=None, sort=measures, axis=alt.Axis(labelLimit=190, grid=True)),
        tooltip=["measure:N", *([] if alone else ["audit:N"]), *tooltip],
        **({} if alone else {"yOffset": alt.YOffset("audit:N", sort=list(names))}),
    )
    color = alt.Color("color:N", scale=None) if alone else _by_audit(names)
    x = points_axis("x", rows, f"percentage points more than {found.names[0]}")
    chart = alt.layer(
        base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=x["title"]), x2="high:Q", color=color),
        base.mark_point(filled=True, size=75, opacity=1).encode(x=x, color=color),
        base.transform_filter("!datum.sure")
        .mark_point(filled=True, size=26, opacity=1)
        .encode(x=x, color=alt.value(LIGHT["paper"])),
        *zero_line("x"),
    )
    height = (ROW if alone else OFFSET * len(names) + 8) * max(2, len(measures))
    return finish(
        chart, f"How far each accuracy is from that of {found.names[0]}, in points.", (SIZE[0], height)
    )


def _by_audit(names: Sequence[str]) -> Any:
    alt = load_altair()
    colors = [LIGHT[COLORS[place % len(COLORS)]] for place in range(len(names))]
    legend = alt.Legend(
        title=None, orient="top", columns=1 if max(map(len, names)) > SHORT else 3, labelLimit=300
    )
    return alt.Color("audit:N", scale=alt.Scale(domain=list(names), range=colors), legend=legend)


def _row(found: Difference, names: Sequence[str]) -> Row:
    assert found.first is not None
    assert found.second is not None
    between = interval_text(found)
    component = re.search(r"(lfc|hfc)@", found.measure)
    row: Row = {
        "measure": measure_name(found.measure),
        "audit": names[found.audit - 1],
        "value": found.second - found.first,
        "sure": beyond_chance(found),
        "color": LIGHT[component[1] if component else "full"],
        "said": f"{difference_text(found)}{f' ({between})' if between else ''}",
        "p": p_text(found.p) or "not tested",
    }
    if found.low is not None and found.high is not None:
        row |= {"low": found.low, "high": found.high}
    return row
