"""All studies, one line each, and how to find one of these or of one's own."""

from __future__ import annotations

from collections.abc import Sequence

from passband.errors import InputError, UnknownNameError
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
from passband.user_modules import import_code, split_place

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


def find_studies(wanted: Sequence[Study | str]) -> list[Study]:
    """Return studies, each once: those of passband in the paper's order, then those of one's own as they were named.

    Args:
        wanted: Names of `STUDIES`; `"all"` for all of them; `"path/to/file.py:NAME"` or `"package.module:NAME"` for a
            study of one's own; or a `Study`.

    Raises:
        UnknownNameError: If there is no study of a name.
        InputError: If none is named, a study of one's own cannot be imported, or two studies have one name.

    Example:
        >>> [study.source for study in find_studies(["label-shuffle", "batch-size"])]
        ['Figure 3, section 4.2', 'Figure 4, section 5.1']
    """
    if not wanted:
        raise InputError(f"name at least one study, or all. Known: {', '.join(STUDIES)}")
    names = [one for one in wanted if isinstance(one, str) and ":" not in one]
    for name in names:
        if name.endswith(".py"):
            raise InputError(f"a study of one's own is written {name}:NAME, got {name!r}")
        if name != "all" and name not in STUDIES:
            raise UnknownNameError("study", name, (*STUDIES, "all"))
    found = {name: study for name, study in STUDIES.items() if name in names or "all" in names}
    for one in wanted:
        if isinstance(one, str) and ":" not in one:
            continue
        study = load_study(one) if isinstance(one, str) else one
        if found.setdefault(study.name, study) is not study or STUDIES.get(study.name, study) is not study:
            raise InputError(f"another study is named {study.name!r}: choose another name for this one")
    place = {name: index for index, name in enumerate(STUDIES)}
    return sorted(found.values(), key=lambda study: place.get(study.name, len(place)))


def load_study(place: str) -> Study:
    """Import a study of one's own. It runs that code.

    Args:
        place: `path/to/file.py:NAME` or `package.module:NAME`.

    Raises:
        InputError: If it cannot be imported, or is not a `Study`.
    """
    module, name = split_place(place, kind="a study of one's own")
    study = getattr(import_code(module), name, None)
    if study is None:
        raise InputError(f"{module} has no study {name!r}")
    if not isinstance(study, Study):
        raise InputError(f"{place} must be a passband.Study, got a {type(study).__name__}")
    return study
