import math

import pytest
import torch

from passband.errors import InputError
from passband.prediction import predict


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite_name_no_class(broken):
    logits = torch.tensor([[1.0, broken], [0.0, 1.0]])
    with pytest.raises(InputError, match="the model returned NaN or infinite logits for 1 of 2 images"):
        predict(logits, "the model")
    assert predict(logits[1:], "the model").tolist() == [1]
