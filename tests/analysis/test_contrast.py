from dataclasses import replace

import pytest

from made_up import rows_of
from passband.analysis.contrast import Contrast, above_chance, accuracy, constant, fit, gap
from passband.analysis.evidence import estimate
from passband.errors import InputError
from passband.frequency.component import Low

ROWS = rows_of({
    "a fit": [0.2, 0.4, 0.6, 0.8], "a train": 0.9, "a test": [0.1, 0.2, 0.3, 0.5], "a test lfc 4": 0.3, "b test": 0.2,
})  # fmt: skip


@pytest.mark.parametrize(
    ("contrast", "value"),
    [
        (accuracy("a"), 0.5),
        (accuracy("a", when=0.0), 0.1),
        (accuracy("a", when=0.5), 0.2),
        (accuracy("a", when=0.6), 0.3),
        (accuracy("a", component=Low(4)), 0.3),
        (above_chance("a"), 0.4),
        (above_chance("a") - above_chance("b"), 0.3),
        (accuracy("a") - constant(0.2), 0.3),
        (constant(0.2) - accuracy("a"), -0.3),
        (gap("a"), 0.4),
        (gap("a") - (accuracy("b") - accuracy("a")), 0.7),
        (fit("a"), 0.8),
        (fit("a", when=0.5), 0.4),
    ],
)
def test_contrasts(contrast, value):
    found = estimate(ROWS, contrast)
    assert found.value == pytest.approx(value)
    assert found.low < found.value < found.high


def test_what_two_contrasts_share_is_measured_once_and_not_at_all_where_it_cancels():
    lost = [accuracy("a") - accuracy("a", component=Low(4)), accuracy("a") - accuracy("b")]
    assert lost[0] - lost[1] == Contrast(
        (replace(*accuracy("a", component=Low(4)).terms, weight=-1.0), *accuracy("b").terms)
    )
    assert estimate(ROWS, lost[0] - lost[1]) == estimate(
        ROWS, accuracy("b") - accuracy("a", component=Low(4))
    )
    (twice,) = (accuracy("a") - (constant(0.0) - accuracy("a"))).terms
    assert twice.weight == 2.0
    with pytest.raises(InputError, match="needs at least one measured number"):
        estimate(ROWS, accuracy("a") - accuracy("a"))
