"""A made-up audit that follows the card's schema, for tests of pictures and pages."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
import torch

from passband.audit.card import ClassifierCard, DataEntry
from passband.audit.classifier import Audit, Strip
from passband.frequency.fourier import corner_radius, split, split_many
from passband.frequency.spectrum import energy_within, power_spectrum, radial_mean
from passband.frequency.traces import Trace, Traces, TraceStatistic
from passband.instruments.flips import FlipExample
from passband.instruments.spectrum import DataSpectrum

RADII = [1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 22.627]


def interval(value: float, count: int = 600) -> dict[str, Any]:
    margin = 1.96 * math.sqrt(max(value * (1 - value), 0.25 / count) / count)
    return {"value": value, "low": max(0.0, value - margin), "high": min(1.0, value + margin), "count": count}


def make_card(
    *,
    clean: float = 0.912,
    classes: tuple[str, ...] = ("tench", "church", "golf ball", "<b>bold</b>"),
    radii: list[float] = RADII,
    size: tuple[int, int] = (32, 32),
    low: float | None = None,
    high: float | None = None,
    ceiling: bool = True,
    flips: int = 12,
) -> ClassifierCard:
    """Return a card; `low` and `high` set flat curves in place of a rising and a falling one."""
    chance, corner = 1 / len(classes), math.hypot(size[0] // 2, size[1] // 2)

    def lfc(radius: float, peak: float = clean) -> float:
        return low if low is not None else chance + (peak - chance) * (1 - math.exp(-radius / 5)) ** 2

    def hfc(radius: float, peak: float = clean) -> float:
        return high if high is not None else chance + (peak - chance) * 0.6 * math.exp(-radius / 4)

    curves = [
        {
            "component": component,
            "radius": radius,
            "accuracy": interval(accuracy(radius)),
            "agreement": interval(min(1.0, accuracy(radius) * 1.05)),
            "loss": 2.3 * (1 - accuracy(radius)) + 0.2,
            "confidence": 0.4 + accuracy(radius) / 2,
            "energy": held if component == "lfc" else 1 - held,
        }
        for component, accuracy in (("lfc", lfc), ("hfc", hfc))
        for radius in radii
        for held in (1 - math.exp(-radius / 2),)
    ]
    per_class = [
        {
            "name": name,
            "count": 600 // len(classes),
            "clean": interval(peak, 60),
            "lfc": [interval(lfc(radius, peak), 60) for radius in radii],
            "hfc": [interval(hfc(radius, peak), 60) for radius in radii],
        }
        for i, name in enumerate(classes)
        for peak in (clean * (1 - 0.4 * i / len(classes)),)
    ]
    bound = {
        "samples": 600,
        "correct": round(600 * clean),
        "clean": clean,
        "fooled": 400,
        "l2": [{"epsilon": e / 4, "accuracy": clean * math.exp(-e / 12)} for e in range(20)],
        "linf": [{"epsilon": e / 255, "accuracy": clean * math.exp(-e / 30)} for e in range(0, 65, 4)],
        "median_l2": 2.1,
        "median_linf": 0.2,
        "radii": 22,
    }
    counts = [flips // 3 if i < 3 else 0 for i in range(len(radii))]
    card = {
        "kind": "audit",
        "schema": 1,
        "model": {
            "name": "resnet8",
            "source": "runs/1",
            "weights_hash": "0123456789abcdef",
            "parameters": 78042,
            "outputs": 4,
        },
        "data": {
            "name": "imagenette-64",
            "source": "parquet:data",
            "subset": "test",
            "fingerprint": "fedcba9876543210",
            "samples": 3925,
            "evaluated": 600,
            "classes": list(classes),
            "height": size[0],
            "width": size[1],
            "channels": 3,
        },
        "settings": {
            "amplitude": "max",
            "geometry": "index",
            "inclusive": True,
            "radii": radii,
            "corner": corner,
            "precision": None,
            "seed": 0,
        },
        "clean": {"accuracy": interval(clean), "loss": 0.31, "confidence": 0.88},
        "baselines": {"majority": chance + 0.01},
        "curves": curves,
        "classes": per_class,
        "critical_radius": {"half": {"radius": 3.7, "note": None}, "most": {"radius": 14.1, "note": None}},
        "area": {"lfc": 0.61, "hfc": 0.29},
        "hfc_followers": {
            "pairs": sum(counts),
            "samples": flips,
            "eligible": 547,
            "by_radius": [
                {"radius": r, "count": c, "fraction": c / 547, "expected": c / 4}
                for r, c in zip(radii, counts, strict=True)
            ],
        },
        "ceiling": bound if ceiling else None,
        "traces": {
            "findings": [],
            "statistics": {"comb": 0.012, "chroma": 0.8},
            "thresholds": {"comb": 0.1, "chroma": 0.9},
            "samples": 500,
        },
        "manifest": {
            "created": "2026-07-01T12:00:00+00:00",
            "seconds": 12.3,
            "images_per_second": 731.5,
            "environment": {
                "versions": {"python": "3.11.9", "torch": "2.14.1"},
                "platform": "Linux",
                "device": "cpu",
                "device_name": "x86_64",
                "threads": 1,
            },
        },
    }
    return ClassifierCard.from_dict(card)


def make_audit(card: ClassifierCard, *, panels: int = 2, traces: tuple[Trace, ...] = ()) -> Audit:
    """Return an audit of random images around a made-up card."""
    data, radii = card.data, card.settings.radii
    shape = (4, data.channels, data.height, data.width)
    images, classes = torch.rand(shape, generator=torch.Generator().manual_seed(0)), len(data.classes)
    low, high = split_many(images[0], radii)
    return Audit(
        card=card,
        rows=pl.DataFrame(),
        samples=pl.DataFrame(),
        counterexamples=None,
        panels=tuple(_panel(sample, images[sample], radii[0], classes) for sample in range(panels)),
        strip=Strip(data.classes[0], images[0], radii, low, high),
        spectrum=make_spectrum(images, data, traces),
    )


def make_spectrum(images: torch.Tensor, data: DataEntry, traces: tuple[Trace, ...]) -> DataSpectrum:
    power = power_spectrum(images)
    last = math.ceil(corner_radius(*power.shape))
    told = 0.01 if min(power.shape) >= 16 else None
    return DataSpectrum(
        **{
            key: getattr(data, key)
            for key in ("name", "subset", "fingerprint", "samples", "height", "width", "channels")
        },
        power=torch.fft.fftshift(power),
        radial=radial_mean(power),
        energy=energy_within(power, range(last + 1)),
        traces=Traces(
            traces, (TraceStatistic("clustering", told, 0.08, "how closely they cluster"),), len(images)
        ),
    )


def _panel(sample: int, image: torch.Tensor, radius: float, classes: int) -> FlipExample:
    low, high = split(image, radius)
    probabilities = torch.rand(3, classes, generator=torch.Generator().manual_seed(sample)).softmax(dim=1)
    return FlipExample(sample, radius, sample % classes, image, low.clamp(0, 1), high, probabilities)


@pytest.fixture(scope="session")
def card_of() -> Callable[..., ClassifierCard]:
    return make_card


@pytest.fixture(scope="session")
def audit_of() -> Callable[..., Audit]:
    return make_audit
