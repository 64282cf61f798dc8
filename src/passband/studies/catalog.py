"""All studies, one line each."""

from __future__ import annotations

from collections.abc import Sequence

from passband.errors import UnknownNameError
from passband.studies.architectures import ARCHITECTURES
from passband.studies.batch_size import BATCH_SIZE
from passband.studies.batchnorm_on_lfc import BATCHNORM_ON_LFC
from passband.studies.corollary import COROLLARY
from passband.studies.heuristics import HEURISTICS
from passband.studies.kernels import KERNELS
from passband.studies.label_shuffle import LABEL_SHUFFLE
from passband.studies.optimizers import OPTIMIZERS
from passband.studies.smoothing import SMOOTHING
from passband.studies.study import Study
from passband.studies.train_on_components import TRAIN_ON_COMPONENTS

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        COROLLARY,
        LABEL_SHUFFLE,
        TRAIN_ON_COMPONENTS,
        BATCH_SIZE,
        HEURISTICS,
        ARCHITECTURES,
        OPTIMIZERS,
        BATCHNORM_ON_LFC,
        KERNELS,
        SMOOTHING,
    )
}


def find_studies(names: Sequence[str]) -> list[Study]:
    """Return the studies with these names, each once; `all` is all of them.

    Raises:
        UnknownNameError: If there is no study of a name.

    Example:
        >>> [study.source for study in find_studies(["label-shuffle", "batch-size"])]
        ['Figure 3, section 4.2', 'Figure 4, section 5.1']
    """
    for name in names:
        if name != "all" and name not in STUDIES:
            raise UnknownNameError("study", name, (*STUDIES, "all"))
    return [study for name, study in STUDIES.items() if name in names or "all" in names]
