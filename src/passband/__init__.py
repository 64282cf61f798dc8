"""Which spatial frequencies does an image model rely on, and can it be trusted?

The names below are the public ones. Each is loaded on first use, so importing passband loads only torch and jaxtyping.

Source:
    Wang et al. 2020, High-frequency component helps explain the generalization of convolutional neural networks.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

# A function and its package may share a name (audit, instruments, train). Python sets a package as an attribute here when it is
# first imported; so that happens now, and the name is freed for the function.
for _package in ("audit", "instruments", "train"):
    importlib.import_module(f"passband.{_package}")
    del globals()[_package]

if TYPE_CHECKING:
    from passband.attacks import FGSM as FGSM
    from passband.attacks import PGD as PGD
    from passband.attacks import Attack as Attack
    from passband.attacks import AutoAttack as AutoAttack
    from passband.attacks import autoattack as autoattack
    from passband.attacks import fgsm as fgsm
    from passband.attacks import pgd as pgd
    from passband.audit.attack import RobustnessAudit as RobustnessAudit
    from passband.audit.attack import measure_robustness as measure_robustness
    from passband.audit.classifier import Audit as Audit
    from passband.audit.classifier import audit as audit
    from passband.audit.compare import Comparison as Comparison
    from passband.audit.compare import compare as compare
    from passband.audit.detector import DetectorAudit as DetectorAudit
    from passband.audit.detector import audit_detector as audit_detector
    from passband.audit.detector_compare import compare_detectors as compare_detectors
    from passband.data.dataset import ImageDataset as ImageDataset
    from passband.data.load import load_dataset as load_dataset
    from passband.data.phantom import make_phantom as make_phantom
    from passband.detection.dataset import DetectionDataset as DetectionDataset
    from passband.detection.load import load_detector as load_detector
    from passband.detection.sources import open_detection_data as open_detection_data
    from passband.errors import PassbandError as PassbandError
    from passband.frequency.component import High as High
    from passband.frequency.component import Low as Low
    from passband.frequency.component import parse_component as parse_component
    from passband.frequency.fourier import Components as Components
    from passband.frequency.fourier import HighPass as HighPass
    from passband.frequency.fourier import LowPass as LowPass
    from passband.frequency.fourier import high_pass as high_pass
    from passband.frequency.fourier import low_pass as low_pass
    from passband.frequency.fourier import radial_mask as radial_mask
    from passband.frequency.fourier import split as split
    from passband.frequency.fourier import split_many as split_many
    from passband.frequency.rescale import rescale as rescale
    from passband.frequency.spectrum import energy_fraction as energy_fraction
    from passband.frequency.spectrum import radial_power as radial_power
    from passband.frequency.svd import split_by_rank as split_by_rank
    from passband.instruments.catalog import instruments as instruments
    from passband.instruments.components import evaluate_components as evaluate_components
    from passband.instruments.counterexamples import robust_accuracy_ceiling as robust_accuracy_ceiling
    from passband.kernels import roughness as roughness
    from passband.kernels import smooth_kernel as smooth_kernel
    from passband.models.catalog import build_model as build_model
    from passband.models.load import load_model as load_model
    from passband.models.pixels import PixelModel as PixelModel
    from passband.report.comparison import write_comparison as write_comparison
    from passband.report.detector import write_detector_report as write_detector_report
    from passband.report.page import write_attack_report as write_attack_report
    from passband.report.page import write_report as write_report
    from passband.report.studies import write_study as write_study
    from passband.robustness.evaluate import AttackOutcome as AttackOutcome
    from passband.robustness.evaluate import evaluate_attack as evaluate_attack
    from passband.robustness.plan import AttackPlan as AttackPlan
    from passband.robustness.smoothing import smoothed as smoothed
    from passband.studies.run import run_studies as run_studies
    from passband.studies.study import Study as Study
    from passband.train.config import RunConfig as RunConfig
    from passband.train.loop import train as train

_HOMES = {
    "passband.attacks": ("FGSM", "PGD", "Attack", "AutoAttack", "autoattack", "fgsm", "pgd"),
    "passband.robustness.plan": ("AttackPlan",),
    "passband.audit.attack": ("RobustnessAudit", "measure_robustness"),
    "passband.audit.classifier": ("Audit", "audit"),
    "passband.audit.detector": ("DetectorAudit", "audit_detector"),
    "passband.audit.compare": (
        "Comparison",
        "compare",
    ),
    "passband.audit.detector_compare": ("compare_detectors",),
    "passband.report.comparison": ("write_comparison",),
    "passband.detection.dataset": ("DetectionDataset",),
    "passband.detection.load": ("load_detector",),
    "passband.detection.sources": ("open_detection_data",),
    "passband.data.load": ("load_dataset",),
    "passband.data.dataset": ("ImageDataset",),
    "passband.data.phantom": ("make_phantom",),
    "passband.errors": ("PassbandError",),
    "passband.frequency.fourier": (
        "Components",
        "HighPass",
        "LowPass",
        "high_pass",
        "low_pass",
        "radial_mask",
        "split",
        "split_many",
    ),
    "passband.frequency.component": ("High", "Low", "parse_component"),
    "passband.frequency.rescale": ("rescale",),
    "passband.frequency.spectrum": ("energy_fraction", "radial_power"),
    "passband.frequency.svd": ("split_by_rank",),
    "passband.kernels": ("roughness", "smooth_kernel"),
    "passband.models.load": ("load_model",),
    "passband.models.catalog": ("build_model",),
    "passband.models.pixels": ("PixelModel",),
    "passband.instruments.catalog": ("instruments",),
    "passband.instruments.components": ("evaluate_components",),
    "passband.report.detector": ("write_detector_report",),
    "passband.report.page": ("write_attack_report", "write_report"),
    "passband.report.studies": ("write_study",),
    "passband.instruments.counterexamples": ("robust_accuracy_ceiling",),
    "passband.robustness.evaluate": ("AttackOutcome", "evaluate_attack"),
    "passband.robustness.smoothing": ("smoothed",),
    "passband.studies.run": ("run_studies",),
    "passband.studies.study": ("Study",),
    "passband.train.config": ("RunConfig",),
    "passband.train.loop": ("train",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'passband' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value  # the next use does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
