"""All instruments that need no more than their name, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from passband.catalog import Catalog

if TYPE_CHECKING:
    from passband.instruments.instrument import Instrument


class Line(NamedTuple):
    """What is said of an instrument: the attributes that `Instrument` describes."""

    name: str
    summary: str
    source: str = ""
    needs_gradient: bool = False


INSTRUMENTS: Catalog[Line, type[Instrument]] = Catalog(
    "instrument",
    {
        "passband.instruments.components:ComponentAccuracy": Line(
            "components",
            "accuracy on whole images, and on their LFC and HFC at each radius",
            "section 3.1",
        ),
        "passband.instruments.flips:Flips": Line(
            "flips",
            "images whose prediction follows the HFC and not the LFC, beside what chance would give",
            "Figure 2",
        ),
        "passband.instruments.counterexamples:RobustnessCeiling": Line(
            "ceiling",
            "the highest robust accuracy that Corollary 1 leaves possible, without any attack",
            "Corollary 1, section 3.2",
        ),
        "passband.instruments.pairs:LowPassCounterexamples": Line(
            "counterexamples",
            "images answered otherwise than their LFC, which lies no farther than epsilon",
            "Corollary 1, section 3.2",
        ),
        "passband.instruments.spectrum:Spectrum": Line(
            "spectrum",
            "the images' power by frequency, and traces of compression and resampling in them",
            "section 3.1",
        ),
        "passband.instruments.svd_flips:SvdFlips": Line(
            "svd",
            "Figure 2's images by the HFC, and by other parts of its energy: trailing singular values, a random subspace, noise",
            "section 8",
        ),
        "passband.instruments.kernels:KernelRoughness": Line(
            "kernels",
            "how rough the first layer's kernels are, as trained and smoothed by Eq. 3",
            "Figure 7, section 6.2",
        ),
        "passband.instruments.favorite_answer:FavoriteAnswer": Line(
            "favorite-answer",
            "how often a network names the class that it names most, on each component",
        ),
        "passband.instruments.degradations:Degradations": Line(
            "degradations",
            "accuracy on blurred, reduced, JPEG-compressed and noisy images, and the radius whose LFC costs as much",
        ),
        "passband.instruments.rings:Rings": Line(
            "rings",
            "accuracy when only a ring of frequencies is kept, and when only it is removed",
        ),
        "passband.instruments.fourier_heatmap:FourierHeatmap": Line(
            "fourier-heatmap",
            "the share of wrong answers when one wave is added to each image, wave by wave",
            "Yin et al. 2019, section 3",
        ),
        "passband.instruments.phase_swap:PhaseSwap": Line(
            "phase-swap",
            "whether answers follow the phase or the amplitude, on images with the one's phases and another's amplitudes",
            "Chen et al. 2021",
        ),
        "passband.instruments.input_gradient:InputGradient": Line(
            "input-gradient",
            "which frequencies the loss's gradient with respect to the pixels has, image by image",
            "Chan et al. 2022, section 3",
            needs_gradient=True,
        ),
        "passband.instruments.skew:Skew": Line(
            "skew",
            "answers that change when the same pictures are prepared otherwise, and the frequencies in which the inputs differ",
            "Wang, Li et al. 2023",
        ),
        "passband.instruments.feature_spectrum:FeatureSpectrum": Line(
            "feature-spectrum",
            "amplitude of feature maps by frequency, layer by layer, and the share of energy that aliases at each downsampling",
            "Park and Kim 2022, Figure 2",
        ),
        "passband.instruments.attacks:UnderAttack": Line(
            "attacks",
            "what an attack leaves of accuracy at each epsilon, and the frequencies that it used",
            "section 6",
            needs_gradient=True,
        ),
    },
)
"""What `passband instruments` lists and `passband audit --with NAME` runs, with the settings that each has by itself."""


def instruments() -> list[str]:
    """Return the names of all instruments.

    Example:
        >>> instruments()[:2]
        ['components', 'flips']
    """
    return list(INSTRUMENTS)
