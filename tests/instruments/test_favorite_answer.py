import polars as pl
import pytest

import passband as pb
from helpers import Constant, Memory, noise, subject
from passband.frequency.component import FULL, Low
from passband.instruments.components import ComponentAccuracy
from passband.instruments.favorite_answer import FavoriteAnswer

DATA = noise()


def test_a_constant_network_gives_its_answer_to_everything():
    rows = list(subject(Constant(2, 4), DATA).read(FavoriteAnswer()).rows())
    assert {row.value for row in rows} == {1.0}
    assert {row.class_name for row in rows} == {None, "c"}


def test_shares_are_those_of_the_answers_that_were_given_already():
    who = subject(Memory(DATA), DATA)
    answers, rows = who.read(ComponentAccuracy()), list(who.read(FavoriteAnswer()).rows())
    for component in (FULL, Low(2)):
        given = answers.predictions[answers.of(component)].bincount(minlength=4)
        (share,) = (row.value for row in rows if row.component == component and row.class_name is None)
        assert share == given.max() / 40 < 1
    assert len(rows) == 2 * len(answers.shown)


def test_its_figure_is_on_the_page_of_an_audit(tmp_path):
    pytest.importorskip("altair")
    found = pb.audit(Memory(DATA), DATA, ceiling_samples=0, instruments=[FavoriteAnswer()])
    assert len(found.rows.filter(pl.col("metric") == "favorite-answer")) > 0
    page = pb.write_report(found, tmp_path)
    assert "The most frequent answer" in page.read_text()
    assert (tmp_path / "figures" / "favorite-answer-The-most-frequent-answer.png").is_file()
