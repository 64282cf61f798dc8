"""What an audit's components cost beside the forward passes that they need: the same number of images, shown whole.

    python benchmarks/audit.py

The forward passes are the fastest that are known here: channels last, in the audit's batches, with memory kept between them. So
what is above 1 is what splitting, rescaling and reading answers takes.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from bench import Line, main, take_turns
from torchvision.models import resnet18

import passband as pb
from passband.data.batches import choose_batch_size
from passband.data.dataset import ImageDataset, to_pixels
from passband.instruments.components import default_radii, evaluate_components
from passband.memory import kept
from passband.models.pixels import PixelModel

ROUNDS = 3


def forward(model: PixelModel, data: ImageDataset, times: int) -> None:
    """Show a model all images, so many times."""
    size = choose_batch_size(None, data, torch.device("cpu"))
    with kept(), torch.inference_mode():
        for images in data.images.split(size):
            pixels = to_pixels(images)
            for _ in range(times):
                model(pixels)


def lines() -> Iterator[Line]:
    """Yield a line a size of images and number of threads."""
    before = torch.get_num_threads()
    torch.manual_seed(0)
    for name, network, side, count in (
        ("resnet14", pb.build_model("resnet14"), 32, 960),
        ("torchvision's resnet18", resnet18(num_classes=10), 224, 48),
    ):
        model = PixelModel(network.eval(), name=name, channels=3)
        data = pb.make_phantom(count, size=side, classes=10)
        radii = default_radii(data.size)
        shown = 1 + 2 * len(radii)
        for threads in (1, 2):
            torch.set_num_threads(threads)
            its, mine = take_turns(
                lambda model=model, data=data, shown=shown: forward(model, data, shown),
                lambda model=model, data=data, radii=radii: evaluate_components(
                    model, data, radii, device="cpu"
                ),
                rounds=ROUNDS,
            )
            yield Line(
                f"audit of {count} images of {side}x{side}, {name}, {len(radii)} radii, {threads} thread{'s' * (threads > 1)}",
                "pure forward passes",
                "s",
                its,
                mine,
                "<= 1.05",
            )
    torch.set_num_threads(before)


if __name__ == "__main__":
    main(lines())
