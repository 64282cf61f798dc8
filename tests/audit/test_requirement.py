import pytest

from passband.audit.bound import LEVEL
from passband.audit.requirement import check_planned, parse_drop, parse_requirement
from passband.errors import InputError
from passband.stats import CONFIDENCE

PLANNED = [("fgsm", 16 / 255), ("fgsm", 0.1), ("pgd-l2", 1.0)]


@pytest.mark.parametrize(
    ("text", "measure", "at", "relation", "bound"),
    [
        ("lfc@8 >= 0.6", "lfc", 8, ">=", 0.6),
        ("lfc@8>=.6", "lfc", 8, ">=", 0.6),
        (" clean > 1/2 ", "clean", None, ">", 0.5),
        ("hfc@12.5 < 0.2", "hfc", 12.5, "<", 0.2),
        ("ceiling-linf@8/255 < 1", "ceiling-linf", 8 / 255, "<", 1),
        ("autoattack-l2@0.5 >= 0.3", "autoattack-l2", 0.5, ">=", 0.3),
    ],
)
def test_a_requirement_is_read(text, measure, at, relation, bound):
    found = parse_requirement(text)
    assert (found.measure, found.at, found.relation, found.bound) == (measure, at, relation, bound)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has the form MEASURE RELATION NUMBER"),
        ("lfc@8", "has the form"),
        ("lfc@8 = 0.6", "has the form"),
        ("lfc@8 >= sixty", "has the form"),
        ("lfc@-8 >= 0.6", "has the form"),
        ("lcf@8 >= 0.6", "no measure named 'lcf'. Did you mean 'lfc'"),
        ("clean@8 >= 0.6", "clean is one number for the whole audit and takes no '@'"),
        ("lfc >= 0.6", "lfc needs a radius, such as lfc@8"),
        ("pgd >= 0.6", "pgd needs an epsilon, such as pgd@8/255"),
        ("pdg@8/255 >= 0.6", "no measure named 'pdg'. Did you mean 'pgd'"),
        ("ceiling-l2 >= 0.6", "ceiling-l2 needs an epsilon, such as ceiling-l2@8/255"),
        ("ceiling-l2@8/0 >= 0.6", "divides by zero"),
        ("clean >= 80%", "and no percent: write 'clean >= 0.8', got"),
        ("clean >= 80% at 95%", "write 'clean >= 0.8 at 95%', got"),
        (
            "lfc@8 > 60",
            "no number meets .* lfc lies between 0 and 1. 60 percent are 0.6: did you mean 'lfc@8 > 0.6'?",
        ),
        ("clean >= 80", "did you mean 'clean >= 0.8'?"),
        ("clean >= 80 at 95%", "did you mean 'clean >= 0.8 at 95%'?"),
        ("clean > 1", "no number meets 'clean > 1'"),
        ("clean < 0", "no number meets 'clean < 0': clean lies between 0 and 1.$"),
        ("clean >= 300", "no number meets 'clean >= 300': clean lies between 0 and 1.$"),
        ("skew-flips <= 1", "every number meets .* did you mean 'skew-flips <= 0.01'?"),
        ("hfc@8 <= 60", "every number meets .* did you mean 'hfc@8 <= 0.6'?"),
        ("loss < 0", "no number meets 'loss < 0': loss lies between 0 and inf.$"),
        ("clean >= 1 at 95%", "no number meets .* no interval of it reaches these ends. 1 percent are"),
        ("skew-flips <= 0 at 95%", "no interval of it reaches these ends"),
        ("clean >= 0.8 at 90%", "intervals are those of 95%, and there are no others"),
        ("clean >= 0.8 at 95", "has the form"),
        ("clean >= 0.8 95%", "has the form"),
        ("loss <= 1 at 95%", "loss has no interval, which .* leave out 'at 95%'"),
        ("area-lfc >= 0.5 at 95%", "area-lfc has no interval"),
    ],
)
def test_what_is_no_requirement_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_requirement(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "clean-drop <= 1",
            "every number meets .* what is lost of it lies between -1 and 1. .* 'clean-drop <= 0.01'",
        ),
        ("clean-drop <= 2 at 95%", "did you mean 'clean-drop <= 0.02 at 95%'"),
        ("clean-drop < -2", "no number meets .* did you mean 'clean-drop < -0.02'"),
        ("lfc@8-drop > 1", "no number meets"),
        ("loss-drop <= 0.1 at 95%", "loss has no interval"),
    ],
)
def test_a_drop_that_no_audit_or_every_audit_has_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_drop(text)


def test_measures_that_are_no_shares_may_be_larger_than_one():
    assert parse_requirement("loss <= 60").bound == 60
    assert parse_requirement("critical95 <= 12").bound == 12
    assert parse_drop("critical95-drop >= -4").bound == -4


@pytest.mark.parametrize("text", ["clean >= 0.8 at 95%", "clean>=0.8 at 95 %", "clean >= 4/5 at 95.0%"])
def test_an_interval_may_be_meant(text):
    found = parse_requirement(text)
    assert (found.measure, found.bound, found.sure) == ("clean", 0.8, True)
    assert not parse_requirement("clean >= 0.8").sure


def test_the_level_is_that_of_the_intervals():
    assert LEVEL / 100 == CONFIDENCE


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("fgsm@8/255 >= 0.3", "Add --attack fgsm --epsilon 8/255"),
        ("pgd@1 >= 0.3", "Add --attack pgd --epsilon 1"),
        ("autoattack-l2@0.5 >= 0.3", "Add --attack autoattack --norm l2 --epsilon 0.5"),
    ],
)
def test_an_attack_that_is_not_asked_for_is_refused_before_the_work(text, advice):
    with pytest.raises(InputError, match=f"needs an attack that is not asked for. {advice}"):
        check_planned(parse_requirement(text), PLANNED)


def test_what_is_asked_for_and_what_is_no_attack_is_not_refused():
    for text in ("fgsm@16/255 >= 0.3", "pgd-l2@1.0 >= 0", "clean >= 0.5", "lfc@8 >= 0", "ceiling-l2@1 >= 0"):
        check_planned(parse_requirement(text), PLANNED)


def test_a_ceiling_that_is_left_out_is_refused_before_the_work():
    ceiling = parse_requirement("ceiling-l2@1 >= 0")
    check_planned(ceiling, (), ceiling=True)
    with pytest.raises(InputError, match=r"--ceiling-samples 0 leaves out \(in Python ceiling_samples=0\)"):
        check_planned(ceiling, (), ceiling=False)
