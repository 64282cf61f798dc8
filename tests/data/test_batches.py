import pytest
import torch

from helpers import noise
from passband.data.batches import batches, choose_batch_size
from passband.errors import InputError

CPU = torch.device("cpu")
DATA = noise(samples=11)


@pytest.mark.parametrize("batch_size", [1, 4, 11, 50])
def test_every_sample_comes_once_as_pixels(batch_size):
    found = list(batches(DATA, batch_size=batch_size, device=CPU))
    assert torch.cat([b.indices for b in found]).tolist() == list(range(11))
    assert torch.equal(torch.cat([b.labels for b in found]), DATA.labels)
    torch.testing.assert_close(torch.cat([b.images for b in found]), DATA.images / 255)
    assert all(len(b.images) <= batch_size for b in found)


def test_an_order_is_followed():
    order = torch.tensor([7, 0, 7])
    (found,) = batches(DATA, batch_size=5, device=CPU, order=order)
    assert torch.equal(found.images, DATA.images[order] / 255)


def test_batch_size_falls_with_the_size_of_images_and_stays_in_bounds():
    sizes = [choose_batch_size(None, noise(samples=1, size=s), CPU) for s in ((4, 4), (32, 32), (224, 224))]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] >= 8
    assert choose_batch_size(5, DATA, CPU) == 5
    with pytest.raises(InputError, match="batch_size must be at least 1, got 0"):
        choose_batch_size(0, DATA, CPU)
