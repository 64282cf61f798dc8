import math

import pytest
import torch

from passband.attacks.epsilon import check_epsilon, write_epsilon
from passband.errors import InputError


def test_epsilon_reaches_as_far_as_images_are_apart():
    for norm, farthest in (("linf", 1), ("l2", math.sqrt(12))):
        check_epsilon(0, norm, 12)
        check_epsilon(farthest, norm, 12)
        check_epsilon(torch.tensor(farthest, dtype=torch.float32).item(), norm, 12)
        with pytest.raises(
            InputError, match=f"epsilon must be at most {farthest:g} in {norm}.*write 8/255, not 8"
        ):
            check_epsilon(8, norm, 12)
    for impossible in (-0.1, math.nan, math.inf):
        with pytest.raises(InputError, match="epsilon must be 0 or positive"):
            check_epsilon(impossible, "l2", 12)


@pytest.mark.parametrize(
    ("epsilon", "text"),
    [
        (8 / 255, "8/255"),
        (1 / 255, "1/255"),
        (0.03, "0.03"),
        (0.2, "0.2"),
        (1.0, "1"),
        (0.5, "0.5"),
        (0.0123456, "0.01235"),
    ],
)
def test_an_epsilon_is_written_as_people_write_it(epsilon, text):
    assert write_epsilon(epsilon) == text
