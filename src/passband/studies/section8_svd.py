"""Section 8: images split by singular values, by random subspaces and into noise, at the energy of their HFC."""

from __future__ import annotations

from passband.analysis.claim import Claim
from passband.analysis.contrast import Contrast, Term
from passband.analysis.figure import Figure
from passband.analysis.measures import difference, least_of
from passband.analysis.rule import ANY, Rule
from passband.frequency.controls import Split
from passband.instruments.instrument import Instrument
from passband.instruments.svd_flips import SvdFlips, svd_panels
from passband.rows import SVD_FLIPS, SVD_FLIPS_BEYOND_CHANCE, SVD_KEPT_ACCURACY
from passband.studies.catalog import STUDIES
from passband.studies.conditions import learned
from passband.studies.deviations import Deviation
from passband.studies.presets import Setting
from passband.studies.study import Classifiers, Study

MUCH_FEWER = 0.5
"""The paper does not say how many "much fewer" are: ours are less than half."""


def runs(setting: Setting) -> Classifiers:
    """Return the natural network."""
    return {"vanilla": setting.vanilla}


def measurements(setting: Setting) -> dict[str, tuple[Instrument, ...]]:
    """Return Figure 2's samples by each way of splitting."""
    return {"vanilla": (SvdFlips(setting.radii),)}


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what section 8 says, and what we ask of the controls."""
    where = f"mean over r = {', '.join(f'{radius:g}' for radius in setting.radii)}"
    flips = "Share of test images predicted right as a whole and from the part taken, and wrong from the rest"
    return (
        Claim(
            "With this set-up, we find much fewer images supporting the story in Figure 2.",
            f"{flips}, {where}: half of that by Fourier's split minus that by SVD.",
            difference(_share("hfc", SVD_FLIPS, MUCH_FEWER) - _share("svd", SVD_FLIPS)),
            Rule("above", ANY),
            conditions=(learned("vanilla"),),
        ),
        Claim(
            "what exceeds chance is much less with SVD than with the split by frequencies",
            f"{flips}, less what chance would make, {where}: half of that by Fourier's split minus that by SVD.",
            difference(
                _share("hfc", SVD_FLIPS_BEYOND_CHANCE, MUCH_FEWER) - _share("svd", SVD_FLIPS_BEYOND_CHANCE)
            ),
            Rule("above", ANY),
            conditions=(learned("vanilla"),),
            asked_by="passband",
        ),
        Claim(
            "Our observations suggest the signal CNN exploit is more than just random “noises”.",
            f"{flips}, less what chance would make, {where}: Fourier's split minus Gaussian noise of the HFC's energy.",
            difference(_share("hfc", SVD_FLIPS_BEYOND_CHANCE) - _share("noise", SVD_FLIPS_BEYOND_CHANCE)),
            Rule("above", ANY),
            conditions=(learned("vanilla"),),
        ),
        Claim(
            "more images follow their HFC than a random part of themselves with the same energy",
            f"{flips}, less what chance would make, {where}: Fourier's split minus a projection on a random subspace.",
            difference(_share("hfc", SVD_FLIPS_BEYOND_CHANCE) - _share("random", SVD_FLIPS_BEYOND_CHANCE)),
            Rule("above", ANY),
            conditions=(learned("vanilla"),),
            asked_by="passband",
        ),
        Claim(
            "a network loses more with the HFC than with anything else of its energy",
            f"Accuracy on what is left of test images, {where}: after SVD, a random subspace or noise minus on the LFC; the "
            "smallest difference.",
            least_of(
                *(
                    _share(kind, SVD_KEPT_ACCURACY) - _share("hfc", SVD_KEPT_ACCURACY)
                    for kind in ("svd", "random", "noise")
                )
            ),
            Rule("above", ANY),
            conditions=(learned("vanilla"),),
            asked_by="passband",
        ),
    )


def figure(setting: Setting) -> Figure:
    """Return the counts by radius beside chance, and by how much they exceed it."""
    return Figure((svd_panels("vanilla", "test"),))


def deviations(setting: Setting) -> tuple[Deviation, ...]:
    """Return what the paper leaves open."""
    return (
        Deviation(
            "rank of the SVD",
            "not said",
            "that of the energy nearest to the HFC's, image by image",
            "else the two splits would differ in how much they remove",
        ),
        Deviation(
            "chance",
            "not said",
            "stands beside each count",
            "a network that names one class for all it is lost on has such images, too",
        ),
    )


def _share(kind: Split, metric: str, weight: float = 1.0) -> Contrast:
    """Return the mean over the radii."""
    return Contrast((Term("vanilla", "test", kind, metric, weight=weight),))


SVD = Study(
    *STUDIES.lines["svd"],
    runs=runs,
    claims=claims,
    figure=figure,
    measurements=measurements,
    deviations=deviations,
)
