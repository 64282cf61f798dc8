"""Section 7, Figures 8 and 9: which frequencies a detector needs."""

from __future__ import annotations

from dataclasses import replace

from passband.analysis.claim import SEEDS, Claim, Condition
from passband.analysis.contrast import Contrast, Term
from passband.analysis.figure import Bar, Figure, Panel, Role
from passband.analysis.measures import difference, least_of
from passband.analysis.rule import ANY, MUCH, Rule
from passband.analysis.table import SummaryTable
from passband.detection.drawing import SPLIT_FREQUENCY
from passband.detection.training_config import DetectorConfig, PublishedDetector
from passband.detection.view import Kind, View
from passband.engine.detection import DetectionMeasurement
from passband.rows import GAIN, GAIN_BEYOND_CHANCE, LOST, MAP
from passband.studies.catalog import STUDIES
from passband.studies.deviations import Deviation
from passband.studies.presets import Setting
from passband.studies.study import Detectors, Study

SIDE = 128  # of phantom scenes, in pixels
RADIUS = SPLIT_FREQUENCY * SIDE
"""Between shapes and textures of phantom scenes, in cycles per image."""

CUES = {"shape": "shape=1,texture=0", "texture": "shape=0,texture=1", "both": "shape=1,texture=1"}
"""What tells the categories of phantom scenes: one of the two cues, and the other says nothing, or both."""

PUBLISHED = "RetinaNet"
SOURCE = "torchvision:retinanet_resnet50_fpn"

DETECTS = 0.3
"""mAP on whole images from which on a detector counts as trained; the paper's has 0.356 on COCO."""

EXISTS = 0.02
"""The share of images above which we say that there are such images."""


def runs(setting: Setting) -> Detectors:
    """Return a detector for each way of telling categories; on COCO, the published RetinaNet."""
    if setting.preset == "paper":
        return {PUBLISHED: PublishedDetector(SOURCE)}
    small = {"limit": 12, "epochs": 1, "width": 8} if setting.preset == "smoke" else {}
    return {cue: DetectorConfig(f"phantom:{scenes}", **small) for cue, scenes in CUES.items()}


def measurements(setting: Setting) -> dict[str, tuple[DetectionMeasurement, ...]]:
    """Return the audit of each detector, on scenes of its own kind; on COCO, with data such as `coco:FOLDER`."""
    if setting.preset == "paper":
        return {PUBLISHED: (DetectionMeasurement(setting.data, _radii(setting)),)}
    limit = 6 if setting.preset == "smoke" else None
    return {
        cue: (DetectionMeasurement(f"phantom:{scenes}", _radii(setting), limit),)
        for cue, scenes in CUES.items()
    }


def deviations(setting: Setting) -> tuple[Deviation, ...]:
    """Return what is done otherwise than in section 7."""
    chosen = Deviation(
        "amplitude", "not said", "held to [0, 1], an HFC on middle gray", "pictures, which any detector takes"
    )
    place = Deviation(
        "split", "not said whether before or after resizing", "of the original image", "a choice"
    )
    if setting.preset == "paper":
        weights = Deviation(
            "weights", "trained by the authors, mAP 35.6%", "torchvision's, published", "nothing to train"
        )
        return (weights, chosen, place)
    data = Deviation(
        "images",
        "COCO, 5,000 of validation",
        "phantom scenes of 128x128 pixels, whose categories are told by shape, by texture, or by both",
        "a detector that is trained in minutes, and a right answer that is known. The paper's claims are tested on the "
        "detector of shapes, since its COCO detector too needs the LFC more than the HFC",
    )
    network = Deviation(
        "network", "RetinaNet, ResNet-50 and FPN", "RetinaNet of 0.6 million numbers", "minutes"
    )
    radius = Deviation("radius", "128", f"{RADIUS:g}", "between the frequencies of shapes and of textures")
    return (data, network, radius, chosen, place)


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what section 7 says; of phantoms also whether the audit finds what they are made of."""
    detects = Condition(
        f"every detector must reach an mAP of {DETECTS:g} on whole images",
        least_of(*(_number(label, "full", MAP) for label in runs(setting))),
        Rule("above", DETECTS),
        "more epochs",
    )
    seeds = (
        1 if setting.preset == "paper" else SEEDS
    )  # a published detector is one, and the sentence is of it
    return tuple(replace(claim, conditions=(detects,), seeds=seeds) for claim in _sentences(setting))


def _sentences(setting: Setting) -> tuple[Claim, ...]:
    label, radius = (PUBLISHED, 128.0) if setting.preset == "paper" else ("shape", RADIUS)
    low, high = (_lost(label, kind, radius) for kind in ("lfc", "hfc"))
    where = f"of {label} at r = {radius:g}"
    ours = (
        Claim(
            "a detector of textures needs the HFC, and one of shapes the LFC",
            f"mAP lost at r = {radius:g}: on the LFC minus on the HFC of texture, on the HFC minus on the LFC of shape; the smaller "
            "difference.",
            least_of(
                _lost("texture", "lfc", radius) - _lost("texture", "hfc", radius),
                _lost("shape", "hfc", radius) - _lost("shape", "lfc", radius),
            ),
            Rule("above", MUCH),
            asked_by="passband",
        ),
        Claim(
            "where shape and texture both tell, a detector learns the texture",
            f"mAP lost at r = {radius:g} of both: on the LFC minus on the HFC.",
            difference(_lost("both", "lfc", radius) - _lost("both", "hfc", radius)),
            Rule("above", MUCH),
            asked_by="passband",
        ),
    )
    return (
        Claim(
            "The performance drop from 35.6% to 27.5%",
            f"mAP of whole images minus mAP on the LFC, {where}.",
            difference(low),
            Rule("above", ANY),
        ),
        Claim(
            "get 27.5% MAP with LFC and 10.7% MAP with HFC",
            f"mAP lost on the HFC minus mAP lost on the LFC, {where}.",
            difference(high - low),
            Rule("above", ANY),
        ),
        Claim(
            "We identified 1684 images that for each of these images, the some objects are recognized better",
            f"Share of images whose own AP is higher on the LFC than on the whole, {where}. More than {EXISTS:g}, so that it is no "
            "accident.",
            difference(_share(label, GAIN, radius)),
            Rule("above", EXISTS),
        ),
        Claim(
            "images gain by the blur of the LFC, and not by luck",
            "Share of images whose own AP is higher on the LFC than on the whole, minus the share under a random change of the "
            f"same spectrum and norm, {where}.",
            difference(_share(label, GAIN_BEYOND_CHANCE, radius)),
            Rule("above", ANY),
            asked_by="passband",
        ),
        *(() if setting.preset == "paper" else ours),
    )


def figure(setting: Setting) -> Figure:
    """Return mAP on the whole, the LFC and the HFC, and how many images gain on the LFC and under the control."""
    radius = 128.0 if setting.preset == "paper" else RADIUS
    shown: dict[str, tuple[Role, Kind]] = {"LFC": ("lfc", "lfc"), "HFC": ("hfc", "hfc")}
    values, gains = [], []
    for label in runs(setting):
        values.append(Bar("whole", "full", category=label, contrast=_number(label, "full", MAP)))
        values += [
            Bar(name, role, category=label, contrast=_number(label, _shown(kind, radius), MAP))
            for name, (role, kind) in shown.items()
        ]
        gains += [
            Bar(name, role, category=label, contrast=_number(label, _shown(kind, radius), GAIN))
            for name, role, kind in (("LFC", "lfc", "lfc"), ("control", "muted", "control"))
        ]
    return Figure(
        (
            (
                Panel(f"mAP, r = {radius:g}", tuple(values), x="", y="mAP"),
                Panel("Images that gain", tuple(gains), x="", y="share of images"),
            ),
        )
    )


def _radii(setting: Setting) -> tuple[float, ...]:
    return (128.0,) if setting.preset == "paper" else (RADIUS,)


def _shown(kind: Kind, radius: float) -> str:
    return str(View(kind, radius, "index"))


def _number(label: str, shown: str, metric: str) -> Contrast:
    return Contrast((Term(label, "test", shown, metric),))


def _lost(label: str, kind: Kind, radius: float) -> Contrast:
    return _number(label, _shown(kind, radius), f"{MAP}{LOST}")


def _share(label: str, metric: str, radius: float) -> Contrast:
    return _number(label, _shown("lfc", radius), metric)


def table(setting: Setting) -> SummaryTable:
    """Return the numbers of section 7's text."""
    radius = _radii(setting)[0]
    return SummaryTable(
        name="section7",
        title=f"Section 7: mAP on whole images, on the LFC and on the HFC at r = {radius:g}, and images that gain on the LFC",
        head="detector",
        rows={
            label: {
                "whole": _number(label, "full", MAP),
                "LFC": _number(label, _shown("lfc", radius), MAP),
                "HFC": _number(label, _shown("hfc", radius), MAP),
                "images that gain": _number(label, _shown("lfc", radius), GAIN),
            }
            for label in runs(setting)
        },
        printed={PUBLISHED: {"whole": 0.356, "LFC": 0.275, "HFC": 0.107, "images that gain": 1684 / 5000}},
        printed_in="the paper's text: RetinaNet on the 5,000 validation images of COCO, r = 128",
    )


DETECTION = Study(
    *STUDIES.lines["detection"],
    runs=runs,
    claims=claims,
    figure=figure,
    measurements=measurements,
    table=table,
    deviations=deviations,
)
