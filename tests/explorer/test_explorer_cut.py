import pytest
import torch

from passband.errors import InputError
from passband.explorer.cut import Cut
from passband.frequency.component import parse_component
from passband.instruments.components import default_radii


@pytest.mark.parametrize("kind", ["radius", "ring", "rank"])
@pytest.mark.parametrize("size", [(12, 10), (9, 15)])
def test_parts_are_the_components_that_they_are_called(kind, size):
    cut, image = Cut(kind, 2), torch.rand(1, 3, *size)
    places = cut.places(size)
    for place, parts in zip(places, cut.parts(image, places), strict=True):
        for part, component in zip(parts, cut.pair(place), strict=True):
            component.check(size) if kind != "ring" else None
            assert parse_component(str(component)) == component
            torch.testing.assert_close(part, component.of(image), atol=2e-6, rtol=0)


@pytest.mark.parametrize("side", [8, 28, 32, 96, 224, 331])
def test_every_radius_of_an_audit_is_a_place(side):
    places = Cut().places((side, side))
    assert set(default_radii((side, side))) <= set(places)
    assert list(places) == sorted(set(places))
    assert places[0] == 0
    assert len(places) <= 80


def test_small_images_have_a_place_at_every_whole_radius():
    assert Cut().places((32, 32)) == tuple(map(float, range(23)))
    assert Cut("rank").places((5, 9)) == (1, 2, 3, 4)
    assert Cut("ring").places((4, 4)) == (1, 2, 3)


def test_energy_is_the_share_of_the_first_part_without_the_mean():
    image = torch.rand(3, 16, 12)
    for kind in ("radius", "ring"):
        cut = Cut(kind, 3)
        places = cut.places((16, 12))
        first = torch.cat([one for one, _ in cut.parts(image[None], places)])
        waves = first - first.mean(dim=(2, 3), keepdim=True)
        all_waves = image - image.mean(dim=(1, 2), keepdim=True)
        share = waves.square().sum(dim=(1, 2, 3)) / all_waves.square().sum()
        torch.testing.assert_close(cut.energy(image, places), share, atol=1e-5, rtol=0)


def test_energy_by_rank_is_that_of_all_of_the_image():
    image, cut = torch.rand(2, 6, 7), Cut("rank")
    places = cut.places((6, 7))
    share = [float(one.square().sum() / image.square().sum()) for one, _ in cut.parts(image[None], places)]
    assert cut.energy(image, places).tolist() == pytest.approx(share, abs=1e-5)


@pytest.mark.parametrize("kind", ["radius", "ring", "rank"])
def test_flat_and_black_images_have_an_energy_too(kind):
    for value in (0.0, 0.5):
        cut, image = Cut(kind), torch.full((1, 8, 8), value)
        assert cut.energy(image, cut.places((8, 8))).isfinite().all()


def test_what_cannot_be_cut_is_refused():
    for cut in (Cut(), Cut("ring"), Cut("rank")):
        with pytest.raises(InputError, match="1x1 pixels has nothing to be cut apart"):
            cut.places((1, 1))
    for width in (0, 65):
        with pytest.raises(InputError):
            Cut("ring", width)
