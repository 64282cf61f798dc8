"""`passband report`: a page again, from what is on disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passband.audit.attack import RobustnessAudit
from passband.audit.classifier import Audit
from passband.audit.pictures import PICTURES
from passband.cli import options
from passband.cli.console import print_json, print_lines, say
from passband.errors import InputError
from passband.files import amended, check_target, written_whole
from passband.instruments.spectrum import DataSpectrum
from passband.report.page import write_attack_report, write_report, write_spectrum_report
from passband.serial import read_tensors


@dataclass(frozen=True)
class Kind:
    """A kind of folder: how its result is loaded, how it is shown, and the page's name."""

    load: Callable[[Path], Any]
    write: Callable[[Any, Path], Path]
    page: str


KINDS = {
    "card.json": Kind(Audit.load, write_report, "report.html"),
    "attack.json": Kind(RobustnessAudit.load, write_attack_report, "attack.html"),
    "spectrum.json": Kind(
        lambda folder: read_tensors(folder / PICTURES, DataSpectrum), write_spectrum_report, "spectrum.html"
    ),
}
"""By the file that such a folder has."""


def report(
    folder: Path,
    /,
    *,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> int:
    """Make the page and figures again from what is on disk, without model or data.

    Args:
        folder: Folder of `passband audit`, `passband attack` or `passband spectrum`.
        out: Folder to write the page and figures to; by default they replace those in FOLDER.
    """
    options.check_report_extra()
    kind = _kind(folder)
    check_target(out or folder, overwrite=overwrite or out is None)
    say(f"Loading {folder}")
    found = kind.load(folder)
    say("Writing the report")
    with _target(folder, out, kind) as aside:
        kind.write(found, aside)
    page = (out or folder) / kind.page
    if json:
        print_json({"report": str(page)})
    else:
        print_lines([f"Report: {page}"])
    return 0


def _kind(folder: Path) -> Kind:
    """Return what a folder holds.

    Raises:
        InputError: If it is no folder, or holds nothing that can be reported.
    """
    for name, kind in KINDS.items():
        if (folder / name).is_file():
            return kind
    if not folder.is_dir():
        raise InputError(f"no folder {folder}")
    raise InputError(
        f"{folder} has none of {', '.join(KINDS)}: give the folder that `passband audit`, `attack` or `spectrum` wrote."
    )


def _target(folder: Path, out: Path | None, kind: Kind) -> AbstractContextManager[Path]:
    return amended(folder, without=("figures", kind.page)) if out is None else written_whole(out)
