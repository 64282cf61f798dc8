import math

import pytest
import torch

from passband import environment
from passband.errors import InputError
from passband.prediction import BrokenAnswers, predict


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite_name_no_class(broken):
    logits = torch.tensor([[1.0, broken], [0.0, 1.0]])
    with pytest.raises(InputError, match="the model returned NaN or infinite logits for 1 of 2 images"):
        predict(logits, "the model")
    assert predict(logits[1:], "the model").tolist() == [1]


GOOD, BAD = torch.zeros(3, 2), torch.tensor([[0.0, math.nan], [0.0, 0.0], [math.inf, 0.0]])


def test_broken_answers_are_refused_at_once_where_the_device_is_prompt():
    broken = BrokenAnswers("net", ["whole images", "LFCs"])
    broken.count(torch.stack([GOOD, GOOD]))
    with pytest.raises(InputError, match="net returned NaN or infinite logits for 2 of 6 LFCs"):
        broken.count(torch.stack([GOOD, BAD]))


def test_broken_answers_are_counted_where_it_is_not_and_refused_by_what_was_shown(monkeypatch):
    monkeypatch.setattr(environment, "PROMPT", set())
    broken = BrokenAnswers("net", ["whole images", "LFCs"])
    broken.refuse()
    for whole, low in ((GOOD, GOOD), (GOOD, BAD), (GOOD[:1], BAD[:1])):
        broken.count(torch.stack([whole, low]))
    with pytest.raises(
        InputError, match=r"net returned NaN or infinite logits for 3 of 7 LFCs\. Its weights"
    ):
        broken.refuse()
