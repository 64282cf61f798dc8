import pytest

from passband.errors import InputError
from passband.explorer.cut import Cut
from passband.explorer.view import View


def test_an_address_without_settings_is_the_default():
    assert View.read({}) == View() == View(Cut("radius", 4), "max", 0, False, 0, 10)
    assert View.read({"image": "3", "at": "8"}, "clip") == View(amplitude="clip")


def test_all_settings_are_read():
    query = {
        "cut": "ring", "width": "2", "amplitude": "rms", "rho": "0.5", "normalize": "1", "epsilon": "8/255", "steps": "3"
    }  # fmt: skip
    assert View.read(query) == View(Cut("ring", 2), "rms", 0.5, True, 8 / 255, 3)


@pytest.mark.parametrize(
    "query",
    [
        {"cut": "wave"},
        {"amplitude": "loud"},
        {"width": "-1"},
        {"width": "٣"},
        {"width": "9" * 5000},
        {"rho": "nan"},
        {"rho": "-0.1"},
        {"rho": "2.5"},
        {"epsilon": "1/0"},
        {"epsilon": "1e999999999"},
        {"epsilon": "inf"},
        {"epsilon": "1/" + "9" * 100_000},
        {"epsilon": "1"},
        {"steps": "0"},
        {"steps": "1000"},
        {"steps": "2.5"},
    ],
)
def test_what_is_impossible_or_takes_forever_is_refused_at_once(query):
    with pytest.raises(InputError):
        View.read(query)
