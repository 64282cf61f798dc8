import pytest

from passband.data.columns import LABEL_COLUMNS, choose_column
from passband.errors import InputError


@pytest.mark.parametrize(
    ("columns", "typed", "chosen", "said"),
    [
        (["id", "Label"], [], "Label", []),
        (["fine_label", "coarse_label"], [], "fine_label", [False]),
        (["target", "label"], [], "label", [True]),
        (["id", "scene"], ["scene"], "scene", []),
    ],
)
def test_the_label_is_chosen_and_other_candidates_named(columns, typed, chosen, said):
    column, notices = choose_column("label", LABEL_COLUMNS, columns, typed, "a.parquet")
    assert (column, [notice.warning for notice in notices]) == (chosen, said)


def test_no_candidate():
    with pytest.raises(
        InputError, match="a.parquet must have a column for the label called 'label', .* has 'id', 'z'"
    ):
        choose_column("label", LABEL_COLUMNS, ["id", "z"], ["id", "z"], "a.parquet")
