"""How fast images are split, beside the transforms that a program without passband would write.

    OMP_NUM_THREADS=1 python benchmarks/splits.py

`low_pass` stands against one rfft2, a mask and one irfft2; `split_many` against fft2, a mask and ifft2 for each radius and
component, as the released code of the paper has it. Last, `low_pass` of images that fit a processor's cache stands against the
same transforms, and against a product with cosines and sines, low = B (M * (B' X B)) B', which passband does not use:
`docs/decisions/0017-splits.md` says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from bench import Line, main, rates

from passband.frequency.fourier import low_pass, radial_mask, split_many

REPEATED = 20


def plain_low(images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the LFC by one transform there and one back."""
    spectrum = torch.fft.rfft2(images) * mask[:, : images.shape[-1] // 2 + 1]
    return torch.fft.irfft2(spectrum, s=images.shape[-2:])


def plain_splits(images: torch.Tensor, masks: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return the LFC and the HFC at each radius, each by transforms of its own."""
    return [torch.fft.ifft2(torch.fft.fft2(images) * kept).real for mask in masks for kept in (mask, ~mask)]


def real_basis(side: int, radius: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean, cosines and sines up to a radius as orthonormal columns, and which pairs of them are low.

    In float64, and then cast: built in float32 it errs by 4e-5 at 224 pixels.
    """
    number = torch.arange(min(side, 2 * radius + 1), dtype=torch.float64)
    frequency = (number + 1).div(2, rounding_mode="floor")
    turns = torch.outer(torch.arange(side, dtype=torch.float64), frequency) / side * 2 * math.pi
    waves = torch.where(number % 2 == 1, turns.cos(), turns.sin())
    waves[:, 0] = 1
    alone = (number == 0) | (2 * frequency == side)
    basis = waves * ((2 - alone.double()) / side).sqrt()
    low = (frequency[:, None].square() + frequency.square()).sqrt() <= radius
    return basis.float(), low.float()


def by_basis(images: torch.Tensor, basis: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
    """Return the LFC by four products of matrices, in the order that is fastest here."""
    return basis @ (((basis.T @ images) @ basis * low) @ basis.T)


def lines() -> Iterator[Line]:
    """Yield a line a size and radius."""
    for side, batch, targets in (
        (32, 4096, {4: ">= 4", 8: ">= 2", 16: ">= 1"}),
        (32, 100, {8: ""}),
        (224, 64, {16: ">= 4", 64: ">= 1.8", 112: ">= 1"}),
    ):
        images = torch.rand(batch, 3, side, side)
        for radius, target in targets.items():
            mask = radial_mask(side, side, radius)
            yield rates(
                f"`low_pass`, {batch:,} x 3 x {side} x {side}, r = {radius}",
                batch,
                "rfft2, irfft2",
                lambda images=images, mask=mask: plain_low(images, mask),
                lambda images=images, radius=radius: low_pass(images, radius),
                target=target,
            )
    for side, batch, radii, target in (
        (32, 1024, (4, 8, 12, 16), ">= 8"),
        (32, 100, (4, 8, 12, 16), ">= 8"),
        (224, 16, (8, 16, 32, 64), ">= 6"),
    ):
        images, masks = torch.rand(batch, 3, side, side), [radial_mask(side, side, r) for r in radii]
        yield rates(
            f"`split_many`, {batch:,} x 3 x {side} x {side}, r = {', '.join(map(str, radii))}, LFC and HFC",
            batch,
            "fft2, ifft2 for each",
            lambda images=images, masks=masks: plain_splits(images, masks),
            lambda images=images, radii=radii: split_many(images, radii),
            target=target,
        )
    for side, batch, radii in ((32, 40, (4, 8, 16)), (224, 1, (8, 16, 64)), (299, 1, (8, 64))):
        images = torch.rand(batch, 3, side, side)
        for radius in radii:
            mask, (basis, low) = radial_mask(side, side, radius), real_basis(side, radius)
            error = (by_basis(images, basis, low) - low_pass(images, radius)).abs().max().item()
            if error > 1e-5:
                raise AssertionError(f"the basis errs by {error} at {side} pixels and r = {radius}")
            for peer, way in (
                ("rfft2, irfft2", lambda images=images, mask=mask: plain_low(images, mask)),
                ("real basis", lambda images=images, basis=basis, low=low: by_basis(images, basis, low)),
            ):
                yield rates(
                    f"`low_pass`, {batch} x 3 x {side} x {side}, r = {radius}",
                    batch * REPEATED,
                    peer,
                    lambda way=way: [way() for _ in range(REPEATED)],
                    lambda images=images, radius=radius: [low_pass(images, radius) for _ in range(REPEATED)],
                )


if __name__ == "__main__":
    main(lines())
