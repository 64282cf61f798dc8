import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from passband.attacks import FGSM
from passband.errors import InputError
from passband.frequency.component import Dominant, High, Trailing, check_components, parse_component, take
from passband.frequency.controls import energy_of, split_at_random, split_off_noise
from passband.frequency.fourier import split
from passband.frequency.svd import factorize, split_by_rank

sizes = st.integers(2, 13)


def by_numpy(channel: np.ndarray, rank: int) -> np.ndarray:
    u, s, v = np.linalg.svd(channel)
    return sum((s[i] * np.outer(u[:, i], v[i]) for i in range(min(rank, len(s)))), np.zeros(channel.shape))


@given(height=sizes, width=sizes, rank=st.integers(0, 14), seed=st.integers(0, 99))
def test_each_channel_is_split_as_numpy_does(height, width, rank, seed):
    images = torch.rand(
        2, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    dominant, trailing = split_by_rank(images, rank)
    for image, part in zip(images.flatten(0, 1), dominant.flatten(0, 1), strict=True):
        np.testing.assert_allclose(part.numpy(), by_numpy(image.numpy(), rank), atol=1e-12)
    torch.testing.assert_close(dominant + trailing, images, rtol=0, atol=1e-15)


def test_a_batch_is_what_its_images_are():
    images = torch.rand(4, 3, 12, 10)
    for image, dominant in zip(images, split_by_rank(images, 3)[0], strict=True):
        torch.testing.assert_close(dominant, split_by_rank(image, 3)[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_parts_have_the_precision_of_the_image(dtype):
    images = torch.rand(1, 1, 8, 8).to(dtype)
    dominant, trailing = split_by_rank(images, 8)
    assert dominant.dtype == trailing.dtype == dtype
    torch.testing.assert_close(dominant, images)


@pytest.mark.parametrize("rank", [-1, 1.0, True, "3"])
def test_what_is_no_rank_is_refused(untyped, rank):
    with pytest.raises(InputError, match="rank must be a whole number of at least 0, got"):
        split_by_rank(torch.rand(1, 4, 4), rank)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "floating-point"),
        (torch.zeros(4, 4), "image\\[None\\]"),
        (torch.zeros(0, 3, 4, 4), "must not be empty"),
        (torch.full((1, 4, 4), torch.nan), "must be finite"),
        (torch.full((1, 4, 4), -torch.inf), "must be finite"),
    ],
)
def test_what_is_no_image_is_refused_as_split_refuses_it(untyped, images, message):
    for refuse in (lambda: split_by_rank(images, 2), lambda: split(images, 2)):
        with pytest.raises(InputError, match=message):
            refuse()


def test_trailing_energy_is_that_of_the_trailing_part_at_every_rank():
    images = torch.rand(3, 2, 7, 9, dtype=torch.float64)
    found = factorize(images).trailing_energy()
    assert found.shape == (3, 8)
    for rank in range(8):
        torch.testing.assert_close(found[:, rank], energy_of(split_by_rank(images, rank)[1]))


@given(seed=st.integers(0, 99), share=st.floats(0, 1))
def test_the_rank_of_an_energy_is_the_nearest_that_leaves_something_on_both_sides(seed, share):
    images = torch.rand(5, 3, 8, 6, generator=torch.Generator().manual_seed(seed)).double()
    wanted = share * energy_of(images)
    ranks = factorize(images).ranks_that_leave_out(wanted)
    for image, energy, rank in zip(images, wanted, ranks.tolist(), strict=True):
        apart = [float(abs(split_by_rank(image, k)[1].square().sum() - energy)) for k in range(1, 6)]
        assert apart[rank - 1] == pytest.approx(min(apart), abs=1e-9)
    parts = factorize(images).dominant(ranks)
    torch.testing.assert_close(
        parts,
        torch.stack([split_by_rank(i, k)[0] for i, k in zip(images, ranks.tolist(), strict=True)]),
    )


def test_an_image_one_pixel_high_has_no_two_parts():
    with pytest.raises(InputError, match="at least 2 pixels on each side"):
        factorize(torch.rand(1, 3, 1, 8)).ranks_that_leave_out(torch.ones(1))


def test_components_by_rank_are_written_read_taken_and_checked():
    images = torch.rand(2, 3, 9, 7)
    wanted = [Dominant(3), High(2), Trailing(3)]
    assert [parse_component(str(component)) for component in wanted] == wanted
    dominant, trailing = split_by_rank(images, 3)
    for taken, expected in zip(take(wanted, images), (dominant, split(images, 2)[1], trailing), strict=True):
        torch.testing.assert_close(taken, expected, rtol=0, atol=0)
    assert Dominant(3).cutoff is None
    check_components([Dominant(6), Trailing(6)], (9, 7))
    with pytest.raises(InputError, match="'rank:7' would be all .* of 9x7 pixels have 7 singular values"):
        Dominant(7).check((9, 7))
    for text in ("rank:0", "trailing:-2"):
        with pytest.raises(InputError, match="rank must be a whole number of at least 1"):
            parse_component(text)
    for text in ("rank:2.5", "trailing:"):
        with pytest.raises(InputError, match="is written"):
            parse_component(text)


def test_no_attack_is_held_to_a_rank():
    with pytest.raises(InputError, match="'rank:6', which is no part of the frequencies"):
        FGSM(band=Dominant(6))


def hfc_energy(images: torch.Tensor, radius: float) -> torch.Tensor:
    return energy_of(split(images, radius)[1])


@given(seed=st.integers(0, 99), radius=st.floats(0, 5))
def test_controls_remove_the_energy_of_the_hfc_and_sum_to_the_image(seed, radius):
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(4, 3, 8, 10, generator=draw, dtype=torch.float64)
    draws = torch.randn(images.shape, generator=draw, dtype=torch.float64)
    energy = hfc_energy(images, radius)
    for make in (split_at_random, split_off_noise):
        kept, removed = make(images, energy, draws)
        torch.testing.assert_close(kept + removed, images)
        torch.testing.assert_close(energy_of(removed), energy)
    kept, removed = split_at_random(images, energy, draws)
    torch.testing.assert_close((kept * removed).sum(dim=(1, 2, 3)), torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(removed.mean(dim=(2, 3)), torch.zeros(4, 3, dtype=torch.float64))


def test_at_radius_0_a_random_split_is_the_fourier_split():
    images = torch.rand(3, 3, 8, 8, dtype=torch.float64)
    low, high = split(images, 0)
    kept, removed = split_at_random(images, energy_of(high), torch.randn_like(images))
    torch.testing.assert_close(removed, high)
    torch.testing.assert_close(kept, low)


def test_a_random_split_has_the_law_of_projections_on_random_subspaces():
    """Of projections made with a basis, each with its own energy, compare the moments with those of the shortcut."""
    draw = torch.Generator().manual_seed(0)
    image = torch.rand(1, 1, 3, 4, generator=draw, dtype=torch.float64)
    varying = (image - image.mean()).flatten()
    centered = torch.eye(12, dtype=torch.float64) - 1 / 12  # projects on what has no mean
    direct = []
    for _ in range(20_000):
        basis, _ = torch.linalg.qr(centered @ torch.randn(12, 5, generator=draw, dtype=torch.float64))
        direct.append(basis @ (basis.T @ varying))
    direct = torch.stack(direct)
    energy = direct.square().sum(dim=1)
    many = image.expand(len(energy), 1, 3, 4)
    draws = torch.randn(many.shape, generator=draw, dtype=torch.float64)
    short = split_at_random(many, energy, draws)[1].flatten(1)
    torch.testing.assert_close(direct.mean(dim=0), short.mean(dim=0), atol=0.01, rtol=0)
    torch.testing.assert_close(direct.T.cov(), short.T.cov(), atol=0.01, rtol=0.05)


def test_nothing_is_removed_from_a_flat_image():
    flat = torch.full((1, 3, 4, 4), 0.25)
    for make in (split_at_random, split_off_noise):
        kept, removed = make(flat, torch.zeros(1), torch.randn(flat.shape))
        assert torch.equal(kept, flat)
        assert not removed.any()
