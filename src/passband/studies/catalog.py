"""All studies, one line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from passband.catalog import Catalog
from passband.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from passband.studies.study import Study


class Line(NamedTuple):
    """What is said of a study: the first attributes of `Study`, in its order."""

    name: str
    title: str
    source: str
    question: str


STUDIES: Catalog[Line, Study] = Catalog(
    "study",
    {
        "passband.studies.figure2_flips:FLIPS_STUDY": Line(
            "flips",
            "Images that follow their HFC",
            "Figure 2, section 1",
            "How many predictions follow the high frequencies, which people barely see, and which training makes them more or fewer?",
        ),
        "passband.studies.corollary1_counterexamples:COROLLARY": Line(
            "corollary",
            "Images and their LFCs as counterexamples",
            "Corollary 1, section 3.2",
            "On how many images can a network not be both accurate and robust, for no attack at all but low-pass filtering?",
        ),
        "passband.studies.figure3_label_shuffle:LABEL_SHUFFLE": Line(
            "label-shuffle",
            "Natural and shuffled labels",
            "Figure 3, section 4.2",
            "Does a network that fits shuffled labels also pick up the LFC first?",
        ),
        "passband.studies.table1_components:TRAIN_ON_COMPONENTS": Line(
            "train-on-components",
            "Training on the LFC or the HFC",
            "Table 1, section 4.2",
            "Which component generalizes to whole images?",
        ),
        "passband.studies.figure4_batch_size:BATCH_SIZE": Line(
            "batch-size",
            "Batch sizes",
            "Figure 4, section 5.1",
            "How does the batch size change what is learned of the HFC, and the generalization gap?",
        ),
        "passband.studies.figure5_heuristics:HEURISTICS": Line(
            "heuristics",
            "Dropout, mixup, BatchNorm, adversarial training",
            "Figure 5, section 5.1",
            "Which training heuristics make a network use the HFC?",
        ),
        "passband.studies.section5_architectures:ARCHITECTURES": Line(
            "architectures",
            "LeNet, AlexNet, VGG and ResNet",
            "section 5.1, other tests",
            "Which architectures use the HFC?",
        ),
        "passband.studies.section5_optimizers:OPTIMIZERS": Line(
            "optimizers",
            "SGD, Adam, AdaGrad, AdaDelta, RMSprop",
            "section 5.1, other tests",
            "Which optimizers make a network use the HFC?",
        ),
        "passband.studies.figure6_batchnorm_on_lfc:BATCHNORM_ON_LFC": Line(
            "batchnorm-on-lfc",
            "BatchNorm on LFC data",
            "Figure 6, section 5.2",
            "Does BatchNorm help because it lets a network pick up several signals at once?",
        ),
        "passband.studies.figure7_kernels:KERNELS": Line(
            "kernels",
            "First-layer kernels, natural, adversarial and smoothed",
            "Figure 7, section 6.2",
            "Are the kernels of an adversarially trained network smoother?",
        ),
        "passband.studies.table2_smoothing:SMOOTHING": Line(
            "smoothing",
            "Smoothing the first layer's kernels",
            "Table 2, section 6.3",
            "Does smoothing the kernels of a trained network make it robust?",
        ),
        "passband.studies.figure8_detection:DETECTION": Line(
            "detection",
            "Detection on the LFC and the HFC",
            "Figures 8 and 9, section 7",
            "Which frequencies does a detector need, and do some images gain by blur?",
        ),
        "passband.studies.section8_svd:SVD": Line(
            "svd",
            "Singular values, random subspaces and noise in place of frequencies",
            "section 8",
            "Are high frequencies just noise, or do fewer images follow another part of the same energy?",
        ),
        "passband.studies.input_gradients:INPUT_GRADIENT": Line(
            "input-gradient",
            "What the gradient says",
            "ours, after section 5",
            "Does the spectrum of a network's gradient tell how much it uses the HFC?",
        ),
    },
)
"""In the paper's order, ours last."""


def check_names(wanted: Sequence[object]) -> None:
    """Refuse names of studies that do not exist; studies of one's own are not looked for yet.

    Raises:
        UnknownNameError: If there is no study of a name.
        InputError: If none is named, or one of one's own is written in another way.
    """
    if not wanted:
        raise InputError(f"name at least one study, or all. Known: {', '.join(STUDIES)}")
    for name in wanted:
        if not isinstance(name, str) or ":" in name:
            continue
        if name.endswith(".py"):
            raise InputError(f"a study of one's own is written {name}:NAME, got {name!r}")
        if name not in STUDIES and name != "all":
            raise UnknownNameError("study", name, (*STUDIES, "all"))
