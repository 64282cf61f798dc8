from __future__ import annotations

import pytest
import torch
from torchvision.models.detection.retinanet import RetinaNet

from passband.detection.retinanet import LEVELS, build_retinanet
from passband.errors import InputError
from passband.models.fingerprint import count_parameters, weights_hash


def test_the_seed_decides_the_weights_and_global_random_numbers_are_left_alone():
    before = torch.get_rng_state()
    hashes = [weights_hash(build_retinanet(2, seed=seed)) for seed in (0, 0, 1)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert torch.equal(torch.get_rng_state(), before)


def test_it_is_torchvisions_and_small():
    network = build_retinanet(4)
    assert isinstance(network, RetinaNet)
    assert 400_000 < count_parameters(network) < 650_000


@pytest.mark.parametrize("size", [(64, 64), (70, 101), (128, 96)])
def test_images_are_left_at_their_size(size):
    network = build_retinanet(2).eval()
    image = torch.rand(3, *size)
    images, _ = network.transform([image])
    assert images.image_sizes == [size]
    padded = images.tensors[0]
    assert padded.shape[1:] == tuple(-(-side // 32) * 32 for side in size)
    torch.testing.assert_close(padded[:, : size[0], : size[1]] * 0.25 + 0.5, image)
    levels = [tuple(level.shape[-2:]) for level in network.backbone(images.tensors).values()]
    assert levels == [tuple(side // stride for side in padded.shape[1:]) for stride in LEVELS]


def test_what_it_says_of_an_image_does_not_depend_on_its_neighbors_of_the_same_size():
    network = build_retinanet(3).eval()
    network.score_thresh = 0.0
    images = [torch.rand(3, 64, 64) for _ in range(3)]
    with torch.no_grad():
        together, alone = network(images), network(images[1:2])
    for name in ("boxes", "scores"):
        torch.testing.assert_close(together[1][name][:5], alone[0][name][:5], atol=1e-4, rtol=1e-4)


def test_the_background_label_is_never_found():
    network = build_retinanet(2).eval()
    network.score_thresh = 0.0
    network.head.classification_head.cls_logits.bias.data[::3] = -20.0  # what training makes of label 0
    with torch.no_grad():
        found = network([torch.rand(3, 64, 64)])[0]
    assert set(found["labels"].tolist()) == {1, 2}


@pytest.mark.parametrize(
    "settings", [{"classes": 0}, {"classes": 2, "width": 12}, {"classes": 2, "width": 0}]
)
def test_impossible_numbers_are_refused(settings):
    with pytest.raises(InputError, match="must be"):
        build_retinanet(**settings)
