import pytest
import torch

from passband.errors import InputError, UnknownNameError
from passband.frequency.component import FULL, Low, parse_component, take
from passband.frequency.degradation import add_noise, compress, gaussian_blur, reduce_and_enlarge
from passband.frequency.degraded import DEGRADED, Blurred, Compressed, Noisy, Reduced
from passband.rows import component_columns

IMAGES = torch.rand(2, 3, 12, 10)
TEXTS = ["size:6", "jpeg:22", "blur:1.3", "noise:0.05", "noise:0.05@7", "noise:1e-05@-3"]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_printed_is_read_back(text):
    degraded = parse_component(text)
    assert str(degraded) == text
    assert parse_component(str(degraded)) == degraded
    assert hash(parse_component(text)) == hash(degraded)
    assert component_columns(degraded) == {"component": text.partition(":")[0], "radius": None, "shown": text}


def test_equal_strengths_are_equal_and_kinds_differ():
    assert Reduced(6) == Reduced(6.0)
    assert len({Reduced(6), Compressed(6), Blurred(6), Noisy(6), Noisy(6, 1)}) == 5
    assert all(kind.kind == name and kind.form.startswith(name) for name, kind in DEGRADED.items())


def test_they_are_the_functions_and_are_taken_beside_components():
    wanted = [Low(3), Blurred(1.3), FULL, Reduced(6), Compressed(22), Noisy(0.05, 7)]
    low, blurred, whole, reduced, compressed, noisy = take(wanted, IMAGES)
    assert torch.equal(low, Low(3).of(IMAGES))
    assert torch.equal(whole, IMAGES)
    assert torch.equal(blurred, gaussian_blur(IMAGES, 1.3))
    assert torch.equal(reduced, reduce_and_enlarge(IMAGES, 6))
    assert torch.equal(compressed, compress(IMAGES, 22))
    assert torch.equal(noisy, add_noise(IMAGES, 0.05, 7))


def test_they_are_no_bands():
    assert not any(parse_component(text).is_band for text in TEXTS)


@pytest.mark.parametrize(
    "text", ["size:6.5", "jpeg:101", "jpeg:0", "jpeg:7.5", "blur:0", "blur:-1", "noise:0", "size:0"]
)
def test_impossible_strengths_are_refused(text):
    with pytest.raises(InputError, match="the number of"):
        parse_component(text)


@pytest.mark.parametrize(
    "text", ["blur", "blur:", "blur:much", "blur:nan", "noise:0.1@", "noise:@3", "noise:0.1@x"]
)
def test_texts_that_are_written_otherwise_are_refused(text):
    with pytest.raises(InputError, match="a component of this kind is written"):
        parse_component(text)


def test_an_unknown_kind_is_told_of_these_too():
    with pytest.raises(UnknownNameError, match="blur"):
        parse_component("blurr:1")


def test_images_that_are_no_larger_are_refused():
    Reduced(9).check((12, 10))
    with pytest.raises(InputError, match="12x10 pixels are not reduced to 10"):
        Reduced(10).check((12, 10))
    with pytest.raises(InputError, match="'blur:13' leaves nothing but the mean"):
        Blurred(13).check((12, 10))
