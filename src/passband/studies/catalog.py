"""All studies, one line each."""

from __future__ import annotations

from collections.abc import Sequence

from passband.errors import UnknownNameError
from passband.studies.corollary1_counterexamples import COROLLARY
from passband.studies.figure3_label_shuffle import LABEL_SHUFFLE
from passband.studies.figure4_batch_size import BATCH_SIZE
from passband.studies.figure5_heuristics import HEURISTICS
from passband.studies.figure6_batchnorm_on_lfc import BATCHNORM_ON_LFC
from passband.studies.figure7_kernels import KERNELS
from passband.studies.section5_architectures import ARCHITECTURES
from passband.studies.section5_optimizers import OPTIMIZERS
from passband.studies.study import Study
from passband.studies.table1_components import TRAIN_ON_COMPONENTS
from passband.studies.table2_smoothing import SMOOTHING

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
