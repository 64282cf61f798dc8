from rich.console import Console

from passband.cli import console
from passband.cli.console import print_table, progress_bars


def test_a_log_shows_every_tenth_of_the_way_and_the_time_left(capsys, monkeypatch):
    clock = iter([0.0, 30.0, 31.0, 60.0, 90.0, 300.0, 500.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with progress_bars() as report:
        report("attack", 1, 20, "natural, seed 0 (41ef) done")
        report("attack", 1, 20)
        report("attack", 2, 20, "shuffled, seed 0 (8cb2) done")
        report("attack", 3, 20)
        report("training", 1, 2)  # it began when the last stage had reported
        report("training", 2, 2)
    assert capsys.readouterr().err.splitlines() == [
        "Attacking: shuffled, seed 0 (8cb2) done 2/20, about 9 min left",
        "Training 1/2, about 3 min 30 s left",
        "Training 2/2",
    ]


def test_a_table_that_does_not_fit_is_paragraphs(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(
        console, "out", Console(highlight=False)
    )  # it may have been made where COLUMNS was another
    print_table(
        "Title", ("Radius", "LFC accuracy", "Note"), [("4", "46.2 [30.7, 60.2]", ""), ("8", "50.0", "half")]
    )
    assert capsys.readouterr().out == (
        "Title\n\nRadius: 4\nLFC accuracy: 46.2 [30.7, 60.2]\n\nRadius: 8\nLFC accuracy: 50.0\nNote: half\n"
    )


def test_a_file_holds_tables_as_wide_as_they_are(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    print_table("Title", ("Name", "Value"), [("n" * 90, "v" * 90)])
    out = capsys.readouterr().out
    assert "n" * 90 in out
    assert "v" * 90 in out


def test_cells_with_spaces_are_as_long_as_they_are(capsys, monkeypatch):
    cells = [f"{number}0.0 [{number}0.1, {number}0.2]" for number in range(1, 8)]
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(console, "out", Console(highlight=False))
    print_table("Title", tuple("ABCDEFG"), [cells])
    shown = capsys.readouterr().out
    assert [cell for cell in cells if cell not in shown] == []
