"""What presets do otherwise than the paper, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Departure:
    """Something that a preset does otherwise than the paper."""

    what: str
    paper: str
    here: str
    why: str


SMOKE = (Departure("everything", "section 4.2", "60 images, one epoch", "shows only that it runs"),)
"""What `smoke` changes."""

NOT_SAID = (
    Departure("batch sizes", "several, not said which", "25 to 400", "around the vanilla run's 100"),
    Departure(
        "rates of optimizers", "not said", "those of the code, else the usual ones", "one must be chosen"
    ),
    Departure(
        "steps of PGD", "not said", "10 steps of 2.5 epsilon / 10", "the usual choice (Madry et al. 2018)"
    ),
    Departure("depth of VGG", "not said", "16", "the one that the name most often means"),
    Departure(
        "PGD of Table 2",
        "not said",
        "20 steps of 2.5 epsilon / 20, random start",
        "more than it was trained with",
    ),
    Departure(
        "images of Table 2", "not said", "all test images; AutoAttack 1,000", "AutoAttack is ours, and slow"
    ),
)
"""What the text leaves open; `laptop` changes some of it again."""

LAPTOP = (
    Departure("network", "ResNet-18", "resnet8, width 16", "900 training images a second on one thread"),
    Departure("training images", "all", "the first 9,469", "a pass takes ten seconds"),
    Departure("image size", "32x32", "reduced to 32x32 where larger", "the radii keep their meaning"),
    Departure("epochs", "100", "12", "the hour"),
    Departure("learning rate", "1e-4", "1e-3", "so that 12 epochs are enough to learn"),
    Departure(
        "label shuffling",
        "as vanilla, 100 and 300 epochs",
        "3,000 images, resnet14 with BatchNorm, 15 and 40 epochs",
        "so that shuffled labels are fitted as well as natural ones",
    ),
    Departure(
        "steps of PGD in training", "not said", "3", "each step costs as much as training without attack"
    ),
    Departure(
        "rates of optimizers", "not said", "SGD 0.1, AdaDelta 1, RMSprop 1e-3", "so that 12 epochs are enough"
    ),
    Departure("other networks", "LeNet, AlexNet, VGG", "AlexNet and VGG-11 of width 16", "the hour"),
    Departure(
        "probe", "every epoch, every image", "epochs 1, 2, 4, 8 on 400 images, the last on 2,400", "the hour"
    ),
    Departure(
        "images of Table 2",
        "not said",
        "1,000 random test images; AutoAttack at the largest epsilon only",
        "a robust image costs AutoAttack about 2,000 gradients and 5,000 answers",
    ),
)

NOT_FOLLOWED = (
    Departure("edge of the mask", "code: low if d < r", "d <= r, as the text", "one definition everywhere"),
    Departure(
        "original training images",
        "code: divided by their maximum",
        "as they are, as the test images",
        "training and test images on one scale",
    ),
    Departure(
        "dropout", "code: result unused", "0.5 before the classifier", "else it would be the vanilla run"
    ),
    Departure(
        "attacks of Table 2",
        "code: a library's search for the smallest epsilon, thresholds applied later",
        "attacks at fixed epsilons",
        "what the text and the table say; its 100 images are followed",
    ),
)
"""What `--source code` does not take over."""
