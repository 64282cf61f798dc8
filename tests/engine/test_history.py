"""What a run has measured so far, as its checkpoints hold it."""

from passband.engine.worker import History
from passband.rows import ADDED, COLUMNS, Row


def test_a_history_is_read_as_written_also_where_columns_have_been_added_since():
    for rows in ([], [Row(run="a", subset="test", metric="accuracy", value=0.5, count=2)]):
        history = History("a")
        history.add(rows)
        state = history.state_dict()
        assert History.from_state(state).rows.equals(history.rows)
        for name in ADDED:
            state["rows"].pop(name, None)
        assert History.from_state(state).rows.equals(history.rows)
        assert History.from_state(state).rows.schema == COLUMNS
