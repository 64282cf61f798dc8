"""The page of all studies: what they say of the paper's claims, and each figure beside what the paper says."""

from __future__ import annotations

from pathlib import Path

from passband.checks import duration
from passband.environment import versions
from passband.files import written_whole
from passband.report.render import write_page
from passband.report.study_page import address, show_study
from passband.studies.reproduction import Reproduction

PAGE = "reproduction.html"


def write_reproduction(found: Reproduction, folder: Path) -> Path:
    """Write the page, `reproduction.html`, with the table of all claims, `claims.parquet` and `claims.csv`.

    The page holds all that it shows, the numbers behind each figure among it.

    Args:
        found: All studies, each written to its own folder (`write_study`), from which its drawings are taken.
        folder: Takes the place of what was there, once all files are written.

    Returns:
        The path of the page.

    Raises:
        MissingDependencyError: If altair, vl-convert or jinja2 is not installed.
    """
    setting = found.results[0].planned.setting
    with written_whole(folder) as aside:
        claims = found.to_table()
        claims.write_parquet(aside / "claims.parquet")
        claims.write_csv(aside / "claims.csv")
        write_page(
            aside / PAGE,
            "reproduction.html.j2",
            plots=(),
            title=f"The paper on {setting.data}",
            found=found,
            setting=setting,
            studies=[show_study(result, result.planned.folder) for result in found.results],
            claims_csv=address(claims.write_csv(), "text/csv"),
            took=duration(found.seconds),
            processor=duration(found.processor_seconds()),
            versions=versions(),
        )
    return folder / PAGE
