"""Finding studies by name: those of passband, or of one's own."""

from __future__ import annotations

from collections.abc import Sequence

from passband.errors import InputError
from passband.studies.catalog import STUDIES, check_names
from passband.studies.study import Study
from passband.user_modules import import_code, split_place


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
    check_names(wanted)
    names = [one for one in wanted if isinstance(one, str)]
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
