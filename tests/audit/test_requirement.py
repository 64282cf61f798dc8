import pytest

from passband.audit.requirement import check_planned, parse_requirement
from passband.errors import InputError

PLANNED = [("fgsm", 16 / 255), ("fgsm", 0.1), ("pgd-l2", 1.0)]


@pytest.mark.parametrize(
    ("text", "measure", "at", "relation", "bound"),
    [
        ("lfc@8 >= 0.6", "lfc", 8, ">=", 0.6),
        ("lfc@8>=.6", "lfc", 8, ">=", 0.6),
        (" clean > 1/2 ", "clean", None, ">", 0.5),
        ("hfc@12.5 < 0.2", "hfc", 12.5, "<", 0.2),
        ("ceiling-linf@8/255 <= 1", "ceiling-linf", 8 / 255, "<=", 1),
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
    ],
)
def test_what_is_no_requirement_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_requirement(text)


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
