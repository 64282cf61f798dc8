"""Whether results are readable when they are printed: in a few lines, whatever they hold."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

import passband as pb
from blobs import Blobs, write_scenes
from helpers import Memory, noise, subject
from passband.audit.attack import measure_robustness
from passband.brief import Brief, short
from passband.detection.folder import open_folder
from passband.frequency.component import Low
from passband.instruments.components import ComponentAccuracy
from passband.instruments.settings import parse_instrument
from passband.train.config import RunConfig

MOST = 1200
"""Letters that anything may take: some lines of a terminal."""

DATA = noise(samples=60)
PLAN = pb.AttackPlan(pb.FGSM(), (0.02, 0.1), sanity_samples=10)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, object]:
    extra = [parse_instrument(name) for name in ("rings:rings=2", "phase-swap", "favorite-answer")]
    audit = pb.audit(Memory(DATA), DATA, radii=[2, 4, 5], attacks=[PLAN], instruments=extra)
    scenes = open_folder(*write_scenes(tmp_path_factory.mktemp("scenes"), 12))
    detector = pb.audit_detector(Blobs(), scenes, radii=[4], resamples=20)
    return {
        "audit": audit,
        "attack": measure_robustness(Memory(DATA), DATA, [PLAN], keep_images=True),
        "detector": detector,
        "comparison": pb.compare(audit, audit),
        "comparison of detectors": pb.compare_detectors(detector, detector, resamples=20),
        "data": DATA,
        "scenes": scenes,
        "answers": ComponentAccuracy((Low(4),)).measure(subject(Memory(DATA), DATA)),
        "subject": subject(Memory(DATA), DATA),
        "reading": parse_instrument("phase-swap").measure(subject(Memory(DATA), DATA)),
        "run": RunConfig("mine"),
    }


def inside(value: object) -> Iterator[object]:
    """Yield a value and all dataclasses in it."""
    if is_dataclass(value):
        yield value
        for each in fields(value):
            yield from inside(getattr(value, each.name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from inside(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from inside(each)


def test_nothing_in_a_result_fills_a_screen_when_it_is_printed(results):
    seen = {type(each): each for result in results.values() for each in inside(result)}
    assert len(seen) > 40
    too_long = {kind.__name__: len(repr(each)) for kind, each in seen.items() if len(repr(each)) > MOST}
    assert not too_long


def test_results_say_what_they_are_of(results):
    assert repr(results["audit"]) == (
        "Audit(Memory on noise (test): clean 100.0% [94.0%, 100.0%] of 60 images, 3 radii from 2 to 5)"
    )
    assert repr(results["audit"].card).startswith("ClassifierCard(Memory on noise (test): clean 100.0%")
    assert repr(results["attack"]).endswith("of 60 images, FGSM)")
    assert "mAP 100.0% [100.0%, 100.0%] of 12 images" in repr(results["detector"].card)
    assert repr(results["detector"]).endswith(
        "views full, lfc:4, lfc:0.0909px, hfc:4, hfc:0.0909px, control:4, control:0.0909px)"
    )
    assert repr(DATA) == "ImageDataset('noise', test: 60 images of 3x12x10, 4 classes, in memory)"
    assert repr(results["scenes"]).startswith("DetectionDataset('images': 12 images, 24 objects, ")
    assert "Memory (audit 2) beside Memory (audit 1)" in repr(results["comparison"])


def test_fields_are_told_by_their_shapes():
    @dataclass(frozen=True)
    class Base(Brief):
        name: str
        values: torch.Tensor

    @dataclass(frozen=True)
    class Derived(Base):
        more: tuple[int, ...] = ()

    assert repr(Derived("a", torch.zeros(3, 2), (1, 2, 3, 4))) == (
        "Derived(name='a', values=<float32 3x2>, more=<4 int>)"
    )
    assert short(np.zeros((2, 3), np.int8)) == "<int8 2x3>"
    assert short(pl.DataFrame({"a": [1, 2]})) == "<2 rows>"
    assert short({"a": torch.zeros(2)}) == "{'a': <float32 2>}"
    assert short(torch.tensor(1.0)) == "<float32 number>"
    assert short(nn.Linear(2, 2)) == "<Linear>"
    assert short("a" * 100) == "<str>"
    assert short((1, "b")) == "(1, 'b')"


def test_a_repr_of_its_own_stays():
    @dataclass
    class Own(Brief):
        value: int

        def __repr__(self) -> str:
            return "mine"

    assert repr(Own(1)) == "mine"
