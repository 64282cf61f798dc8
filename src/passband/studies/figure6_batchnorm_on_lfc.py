"""Figure 6: BatchNorm where there is nothing but the LFC."""

from __future__ import annotations

from dataclasses import replace

from passband.analysis.claim import Claim
from passband.analysis.contrast import Contrast, Term, accuracy, fit
from passband.analysis.figure import Curve, Figure, Panel, in_rows
from passband.analysis.measures import least_of
from passband.analysis.rule import ANY, Rule
from passband.frequency.component import Low
from passband.rows import FIT_ACCURACY
from passband.studies.catalog import STUDIES
from passband.studies.conditions import fitted
from passband.studies.presets import Setting
from passband.studies.study import Classifiers, Study

EARLY = 0.5  # the part of the training after which curves are compared for speed


def runs(setting: Setting) -> Classifiers:
    """Return runs on the LFC at each radius, without and with BatchNorm."""
    without = {f"lfc-{r:g}": replace(setting.vanilla, component=str(Low(r))) for r in setting.radii}
    as_code = setting.source == "code"  # its BatchNorm uses the statistics of the batch at test too
    return without | {
        f"{label}, batchnorm": replace(config, batch_norm=True, batch_statistics=as_code)
        for label, config in without.items()
    }


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what section 5.2 says of BatchNorm on LFC data."""
    smallest, *larger = setting.radii
    trained = fitted(*(label(r) for r in setting.radii for label in (_without, _with)))
    return (
        Claim(
            "when the model is trained with only LFC, BatchNorm does not always help improve the predictive performance, "
            "either tested by original data or by corresponding LFC data.",
            "Accuracy with BatchNorm minus without, on original test images and on their LFC, at every radius; the "
            "smallest difference.",
            least_of(*(help_(r) for r in setting.radii for help_ in (_help, _help_on_lfc))),
            Rule("below", ANY),
            conditions=(trained,),
        ),
        Claim(
            "the smaller the radius is, the less the BatchNorm helps.",
            f"What BatchNorm adds to the accuracy at r = {larger[-1]:g} minus what it adds at r = {smallest:g}; the "
            "smaller of original test images and their LFC.",
            least_of(_help(larger[-1]) - _help(smallest), _help_on_lfc(larger[-1]) - _help_on_lfc(smallest)),
            Rule("above", ANY),
            conditions=(trained,),
        ),
        Claim(
            "in our setting, BatchNorm does not generalize as well as the vanilla setting",
            "Accuracy on the LFC trained on minus accuracy on the LFC of test images, with BatchNorm minus without, at "
            "every radius; the smallest difference.",
            least_of(*(_faster(r, 1.0) - _help_on_lfc(r) for r in setting.radii)),
            Rule("above", ANY),
            conditions=(trained,),
        ),
        Claim(
            "BatchNorm still seems to at least boost the convergence of training accuracy.",
            "Accuracy on what is trained on after half of the epochs, with BatchNorm minus without; the smallest "
            "difference of all radii.",
            least_of(*(_faster(r) for r in setting.radii)),
            Rule("above", ANY),
            conditions=(trained,),
        ),
        Claim(
            "Interestingly, the acceleration is the smallest when r = 4.",
            f"The same difference at each larger radius minus that at r = {smallest:g}; the smallest.",
            least_of(*(_faster(r) - _faster(smallest) for r in larger)),
            Rule("above", ANY),
            conditions=(trained,),
        ),
    )


def figure(setting: Setting) -> Figure:
    """Return one panel a radius: accuracy by epoch, without BatchNorm and with it."""
    return in_rows((Panel(f"trained on the LFC, r = {r:g}", tuple(_curves(r))) for r in setting.radii), 2)


def _curves(radius: float) -> list[Curve]:
    curves = []
    for label, name, dashed in ((_without(radius), "", False), (_with(radius), ", BatchNorm", True)):
        curves += [
            Curve(f"train{name}", "energy", dashed=dashed, term=Term(label, "train", metric=FIT_ACCURACY)),
            Curve(f"test, original{name}", "full", dashed=dashed, term=Term(label)),
            Curve(f"test, LFC{name}", "lfc", dashed=dashed, term=Term(label, "test", str(Low(radius)))),
        ]
    return curves


def _help(radius: float) -> Contrast:
    return accuracy(_with(radius)) - accuracy(_without(radius))


def _help_on_lfc(radius: float) -> Contrast:
    return accuracy(_with(radius), component=Low(radius)) - accuracy(_without(radius), component=Low(radius))


def _faster(radius: float, when: float = EARLY) -> Contrast:
    return fit(_with(radius), when=when) - fit(_without(radius), when=when)


def _without(radius: float) -> str:
    return f"lfc-{radius:g}"


def _with(radius: float) -> str:
    return f"lfc-{radius:g}, batchnorm"


BATCHNORM_ON_LFC = Study(
    *STUDIES.lines["batchnorm-on-lfc"],
    runs=runs,
    claims=claims,
    figure=figure,
)
