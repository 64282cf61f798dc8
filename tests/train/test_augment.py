from __future__ import annotations

import torch

from helpers import noise
from passband.train.augment import PADDING, crop_and_flip, sample_crops

IMAGES = noise(samples=6, size=(5, 7)).images


def augment(images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return crop_and_flip(images, *sample_crops(len(images), torch.Generator().manual_seed(seed)))


def test_each_crop_is_its_window_written_out():
    corners = torch.tensor([[0, 0], [2, 2], [4, 4], [1, 3], [3, 0], [2, 2]])
    flipped = torch.tensor([False, False, True, True, False, True])
    made = crop_and_flip(IMAGES, corners, flipped)
    for image, (row, column), flip, got in zip(IMAGES, corners.tolist(), flipped.tolist(), made, strict=True):
        padded = torch.zeros(3, 9, 11, dtype=torch.uint8)
        padded[:, 2:7, 2:9] = image
        window = padded[:, row : row + 5, column : column + 7]
        assert torch.equal(got, window.flip(-1) if flip else window)


def test_the_middle_window_is_the_image():
    corners = torch.full((6, 2), PADDING)
    assert torch.equal(crop_and_flip(IMAGES, corners, torch.zeros(6, dtype=torch.bool)), IMAGES)


def test_every_window_is_drawn_and_half_are_flipped():
    marked = torch.zeros(2000, 1, 9, 9, dtype=torch.uint8)
    marked[:, :, 4, 3] = 255
    made = augment(marked)
    assert len({tuple(position) for position in (made[:, 0] > 0).nonzero()[:, 1:].tolist()}) == 5 * (5 + 2)
    assert (made.sum((1, 2, 3)) == 255).all()
    again = augment(marked)
    assert torch.equal(made, again)
    # Unflipped, the mark is in columns 1 to 5; flipped, in 3 to 7. So two of five windows tell.
    left, right = ((made[..., columns] > 0).sum().item() for columns in (slice(1, 3), slice(6, 8)))
    assert abs(left - right) < 120
    assert abs(left - 400) < 80
