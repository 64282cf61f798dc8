"""Studies as a library call, on real processes and in this one."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from engines import Here
from passband.analysis.contrast import Term
from passband.analysis.figure import Curve, Figure, Panel
from passband.engine.execute import execute
from passband.engine.watch import Watch
from passband.errors import InputError, UnknownNameError
from passband.studies import run as module
from passband.studies.catalog import STUDIES
from passband.studies.plan import plan_studies
from passband.studies.run import run_studies
from passband.studies.study import Study

FILE = """
from dataclasses import dataclass, replace

from passband.analysis.claim import Claim
from passband.analysis.contrast import accuracy
from passband.analysis.figure import Bar, Figure, Panel
from passband.analysis.measures import difference
from passband.analysis.rule import ANY, Rule
from passband.instruments.instrument import Cost, Instrument, Rows
from passband.rows import Row
from passband.studies.study import Study
from words import TITLE


@dataclass(frozen=True)
class Weights(Instrument):
    name = "weights"
    summary = "number of weights"

    def __str__(self):
        return "number of weights"

    def cost(self, samples, size):
        return Cost()

    def measure(self, subject):
        count = sum(weight.numel() for weight in subject.model.parameters())
        row = Row(run=subject.run, seed=subject.run_seed, subset=None, metric="weights", value=count, count=1)
        return Rows((row,))


def runs(setting):
    return {"narrow": replace(setting.vanilla, width=2), "wide": setting.vanilla}


study = Study(
    name="width",
    title=TITLE,
    source="ours",
    question="Is wider better?",
    runs=runs,
    claims=lambda setting: (Claim("Wider is better.", "Wide minus narrow.",
                                  difference(accuracy("wide") - accuracy("narrow")), Rule("above", ANY), "passband"),),
    figure=lambda setting: Figure(((Panel("test", tuple(
        Bar(label, category=label, contrast=accuracy(label)) for label in runs(setting)), x=""),),)),
    measurements=lambda setting: dict.fromkeys(runs(setting), (Weights(),)),
)
number = 3
"""


@pytest.fixture
def file(tmp_path) -> Path:
    (tmp_path / "words.py").write_text("TITLE = 'Width'\n")
    (tmp_path / "mine.py").write_text(FILE)
    return tmp_path / "mine.py"


@pytest.fixture
def here(monkeypatch):
    """Train in this process: a new one takes seconds to start."""

    def execute_here(planned, *, engine, **settings):
        return execute(planned, engine=Here(), **settings)

    monkeypatch.setattr(module, "execute", execute_here)


def test_a_study_of_ones_own_runs_in_processes_with_its_own_measurements(file, tmp_path):
    seen = []

    class Seen(Watch):
        def begin(self, planned, names):
            seen.append([names[one.id] for one in planned])

        def ended(self, ended):
            seen.append(ended.status)

        def finish(self):
            seen.append("end")

    (result,) = run_studies(
        f"{file}:study", limit=40, workers=2, device="cpu", store=tmp_path / "s",
        watch=Seen(),
    )  # fmt: skip
    assert not result.failures
    assert (result.planned.study.title, result.planned.folder.name) == (
        "Width",
        "width-smoke-fashion-mnist-limit40",
    )
    found = dict(result.rows.filter(pl.col("metric") == "weights").select("label", "value").iter_rows())
    assert 0 < found["narrow"] < found["wide"]
    assert result.judgements[0].estimate is not None
    assert set(result.table["category"]) == {"narrow", "wide"}
    named = ["wide, seed 0", "narrow, seed 0", "weights of wide, seed 0", "weights of narrow, seed 0"]
    assert sorted(seen[0]) == sorted(named)
    assert seen[1:] == ["done"] * 4 + ["end"]


def test_several_studies_are_run_at_once_and_share_runs(here, tmp_path):
    settings = {"limit": 40, "device": "cpu", "store": tmp_path}
    results = run_studies(["optimizers", STUDIES["label-shuffle"]], **settings)
    assert [result.planned.study.name for result in results] == ["label-shuffle", "optimizers"]
    assert len(list((tmp_path / "runs").iterdir())) == 6
    again = run_studies("label-shuffle", **settings)
    assert again[0].rows.equals(results[0].rows)
    assert [j.estimate for j in again[0].judgements] == [j.estimate for j in results[0].judgements]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("{file}:nothing", "mine.py has no study 'nothing'"),
        ("{file}:number", "must be a passband.Study, got a int"),
        ("{file}:", "is written package.module:NAME or path/to/file.py:NAME"),
        ("{file}", "is written .*mine.py:NAME"),
        ("{folder}/absent.py:study", "cannot import .*no file .*absent.py"),
        ("no.such.module:study", "A file that is not installed is written path/to/file.py"),
        ("{folder}/broken.py:study", "cannot import .*ZeroDivisionError"),
    ],
)
def test_what_is_no_study_is_refused(file, tmp_path, place, message):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    with pytest.raises(InputError, match=message):
        plan_studies(place.format(file=file, folder=tmp_path))


def a_study(**changes) -> Study:
    return replace(STUDIES["label-shuffle"], **{"name": "mine", **changes})


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (a_study(name="optimizers"), "another study is named 'optimizers'"),
        (a_study(name="../mine"), "a study's name has letters, digits, dots, underscores and hyphens"),
        (a_study(name="all"), "a study's name"),
        (a_study(runs=lambda _: {}), "the study mine has no runs"),
        (
            a_study(claims=lambda _: ("it holds",)),
            "the study mine: a claim must be a passband Claim, got str",
        ),
        (a_study(measurements=lambda _: {"neutral": ()}), "measures of runs that it does not have: neutral"),
        (
            a_study(figure=lambda _: Figure(((Panel("p", (Curve("c", term=Term("neutral")),)),),))),
            "figure shows runs that it does not have: neutral",
        ),
    ],
)
def test_a_study_that_does_not_hold_together_is_refused(study, message):
    with pytest.raises(InputError, match=message):
        plan_studies([study])


def test_two_studies_of_one_name_are_refused_and_one_that_comes_twice_is_run_once():
    with pytest.raises(InputError, match="another study is named 'mine'"):
        plan_studies([a_study(), a_study(title="Another")])
    one = a_study()
    assert len(plan_studies([one, one, "optimizers"], limit=40)) == 2


def test_a_wrong_call_is_refused_before_anything_is_loaded(tmp_path):
    with pytest.raises(InputError, match="workers must be at least 1, got 0"):
        run_studies("optimizers", workers=0, data="npz:none.npz")
    with pytest.raises(UnknownNameError, match="no study named 'optimiser'. Did you mean 'optimizers'"):
        run_studies(["optimiser"], store=tmp_path)
    with pytest.raises(InputError, match="name at least one study"):
        run_studies([], store=tmp_path)
    assert list(tmp_path.iterdir()) == []
