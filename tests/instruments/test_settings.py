"""Instruments as text: what is read is what was written, and what cannot be meant is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passband.errors import InputError, UnknownNameError
from passband.frequency.component import High, Low
from passband.frequency.degraded import Noisy, Reduced
from passband.instruments.attacks import UnderAttack
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.components import ComponentAccuracy
from passband.instruments.degradations import Degradations
from passband.instruments.fourier_heatmap import FourierHeatmap
from passband.instruments.rings import Rings
from passband.instruments.settings import describe_settings, parse_instrument
from passband.instruments.skew import Skew
from passband.instruments.svd_flips import SvdFlips


@pytest.mark.parametrize(
    ("text", "instrument"),
    [
        ("rings", Rings()),
        (" rings:rings=6,equal=energy ", Rings(rings=6, equal="energy")),
        ("rings: rings = 6", None),
        ("svd:radii=4,8.5, 16,amplitude=raw", SvdFlips((4, 8.5, 16), "raw")),
        ("svd:radii=none", SvdFlips()),
        ("attacks:epsilons=2/255,0.03,samples=9", UnderAttack(epsilons=(2 / 255, 0.03), samples=9)),
        (
            "fourier-heatmap:size=none,samples=none,clip=true,epsilon=4",
            FourierHeatmap(None, None, 4.0, clip=True),
        ),
        ("components:components=lfc:4,hfc:8", ComponentAccuracy((Low(4), High(8)))),
        (
            "degradations:degraded=size:12,noise:0.05@7,kept=0.9",
            Degradations((Reduced(12), Noisy(0.05, 7)), kept=0.9),
        ),
        ("skew:ways=opencv-linear,@0.875,samples=9", Skew(("opencv-linear", "@0.875"), 9)),
    ],
)
def test_settings_are_read_by_their_types(text, instrument):
    if instrument is None:
        with pytest.raises(InputError, match="settings are written rings:SETTING=VALUE"):
            parse_instrument(text)
    else:
        assert parse_instrument(text) == instrument


@pytest.mark.parametrize("name", [name for name in INSTRUMENTS if name != "attacks"])
def test_what_an_instrument_is_by_itself_is_read_again(name):
    instrument = parse_instrument(name)
    settings = describe_settings(instrument)
    assert (
        parse_instrument(f"{name}:{','.join(f'{k}={v}' for k, v in settings.items())}" if settings else name)
        == instrument
    )


@given(
    st.lists(st.floats(0.5, 20, allow_subnormal=False), min_size=1, max_size=4),
    st.sampled_from(["raw", "clip", "max", "minmax", "rms"]),
)
def test_what_is_written_is_read_again(radii, amplitude):
    instrument = SvdFlips(tuple(radii), amplitude)
    written = ",".join(f"{name}={value}" for name, value in describe_settings(instrument).items())
    assert parse_instrument(f"svd:{written}") == instrument


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("ringz:rings=4", UnknownNameError, "no instrument named 'ringz'. Did you mean 'rings'"),
        ("rings:ring=4", UnknownNameError, "no setting of rings named 'ring'. Did you mean 'rings'"),
        ("rings:", InputError, "settings are written rings:SETTING=VALUE"),
        (
            "rings:4",
            InputError,
            "settings are written rings:SETTING=VALUE, with commas between them; got 'rings:4'",
        ),
        ("rings:rings=four", InputError, "rings:rings is a whole number, got 'four'"),
        ("rings:rings=4.5", InputError, "rings:rings is a whole number, got '4.5'"),
        ("rings:rings=", InputError, "rings:rings is a whole number, got ''"),
        ("rings:rings=4,8", InputError, "rings:rings has one value, got 4, 8"),
        ("rings:rings=none", InputError, "rings:rings is a whole number, got 'none'"),
        ("rings:rings=0", InputError, "rings must be a whole number of at least 1, got 0"),
        ("rings:rings=4,rings=8", InputError, "rings is set twice"),
        ("rings:equal=area", UnknownNameError, "no rings:equal named 'area'"),
        ("svd:radii=4,inf", InputError, "svd:radii is a number, such as 0.03 or 8/255, got 'inf'"),
        (
            "attacks:epsilons=8/0",
            InputError,
            "attacks:epsilons is a number, such as 0.03 or 8/255, got '8/0'",
        ),
        ("fourier-heatmap:clip=yes", InputError, "fourier-heatmap:clip is true or false, got 'yes'"),
        (
            "fourier-heatmap:epsilon=nan",
            InputError,
            "fourier-heatmap:epsilon is a number, such as 0.03 or 8/255, got 'nan'",
        ),
        ("components:components=lfc", InputError, "is written lfc:RADIUS"),
        (
            "attacks:attack=pgd",
            InputError,
            "attacks:attack cannot be written in a line: make the instrument in Python",
        ),
        ("favorite-answer:x=1", UnknownNameError, "no setting of favorite-answer named 'x'"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, error, message):
    with pytest.raises(error, match=message.replace("(", "\\(")):
        parse_instrument(text)
