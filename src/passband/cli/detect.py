"""`passband detect`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from passband.audit.detector_requirement import DetectorRequirement, parse_detector_requirement
from passband.choices import SplitAt, ViewAmplitude
from passband.cli import options
from passband.cli.ci import annotate, check_junit, write_junit
from passband.cli.console import percent, print_json, print_lines, print_table, progress_bars, say
from passband.cli.engines import SHARD_DEFAULTS, ShardFlags
from passband.detection.view import WHOLE, View, parse_view
from passband.errors import InputError
from passband.files import check_target, slug, written_whole

if TYPE_CHECKING:
    import passband.audit.detector
    import passband.audit.detector_card
    import passband.detection.dataset
    import passband.detection.detector

Cutoffs = Annotated[list[float] | None, Parameter(consume_multiple=True, negative="", validator=Number(gt=0))]
Files = Annotated[list[Path] | None, Parameter(consume_multiple=True, negative="")]
SHOWN = ("map50", "map-small", "map-medium", "map-large")
"""Numbers of the table in the terminal, besides mAP; the card has all."""


@dataclass(frozen=True, kw_only=True)
class DetectorOptions:
    """How a detector is loaded.

    Attributes:
        weights: File of weights of a torchvision detector; by default its published ones.
        weights_key: Which weights of a checkpoint, such as state_dict or outer.inner.
        decoder: How the outputs of an ONNX file are read, such as yolov8; without it, the choices are listed.
        label_ids: How labels become categories: as their ids (ids), by position in the annotations' categories counted from
            0 or 1 (index0, index1), by name (names), or by a JSON file of a table; by default by name where the detector names
            its labels, else as ids.
    """

    weights: Path | None = None
    weights_key: str | None = None
    decoder: str | None = None
    label_ids: str | None = None

    def load(self, source: str, device: str) -> passband.detection.detector.Detector:
        """Load the detector called `source`."""
        from passband.detection.load import load_detector

        return load_detector(
            source, weights=self.weights, weights_key=self.weights_key, decoder=self.decoder, device=device
        )


@dataclass(frozen=True, kw_only=True)
class Loading:
    """How the command loads detector and images: called in another process with a device, it returns both.

    Attributes:
        model: As the command has it.
        images: Likewise.
        annotations: Likewise.
        limit: Likewise.
        detector_options: Likewise.
    """

    model: str
    images: str
    annotations: str | None
    limit: int | None
    detector_options: DetectorOptions

    def __call__(
        self, device: str
    ) -> tuple[passband.detection.detector.Detector, passband.detection.dataset.DetectionDataset]:
        """Load them."""
        from passband.detection.sources import open_detection_data

        dataset = open_detection_data(self.images, self.annotations, limit=self.limit)
        return self.detector_options.load(self.model, device), dataset


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """What is shown of images.

    Attributes:
        radii: Cut-offs in cycles per image, such as --radii 32 64 128, the paper's reading; by default three, from the size.
        cycles_per_pixel: Cut-offs in cycles per pixel, such as --cycles-per-pixel 0.1 0.2; by default those that the radii are in
            the median image.
        geometry: Show both kinds of cut-offs, or those per image (index) or per pixel (pixel) alone.
        control: Show a control for chance at each cut-off: as much change, at the same frequencies.
        amplitude: What is done to all views but the whole image: hold them to [0, 1], an HFC on middle gray (picture), or as
            `passband audit --help` has it. Those of picture, clip and minmax can be written.
    """

    radii: Cutoffs = None
    cycles_per_pixel: Cutoffs = None
    geometry: Literal["both", "index", "pixel"] = "both"
    control: bool = True
    amplitude: ViewAmplitude = "picture"

    def choose(
        self,
        dataset: passband.detection.dataset.DetectionDataset,
        requirements: Sequence[DetectorRequirement] = (),
    ) -> tuple[View, ...]:
        """Return the views, those among them that requirements are on.

        Raises:
            InputError: If options contradict each other, or as `passband.detection.view.choose_views`.
        """
        from passband.detection.views import choose_views

        if (self.geometry == "index" and self.cycles_per_pixel) or (self.geometry == "pixel" and self.radii):
            given = "--cycles-per-pixel" if self.geometry == "index" else "--radii"
            raise InputError(f"--geometry {self.geometry} leaves out what {given} asks for: give one of them")
        return choose_views(
            dataset,
            radii=self.radii,
            cycles_per_pixel=self.cycles_per_pixel,
            geometry=self.geometry,
            control=self.control,
            wanted=[requirement.view for requirement in requirements],
        )


Detectors = Annotated[DetectorOptions, Parameter(name="*")]
Views = Annotated[ViewOptions, Parameter(name="*")]
DETECTOR_DEFAULTS, VIEW_DEFAULTS = DetectorOptions(), ViewOptions()


def detect(
    *sources: str,
    detector_options: Detectors = DETECTOR_DEFAULTS,
    view_options: Views = VIEW_DEFAULTS,
    shard_options: ShardFlags = SHARD_DEFAULTS,
    split_at: SplitAt = "original",
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    resamples: Annotated[int, Parameter(validator=Number(gte=1))] = 1000,
    write: Path | None = None,
    results: Files = None,
    require: options.Require = None,
    junit: options.Junit = None,
    report: bool = True,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    batch_size: options.BatchSize = None,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    json: options.Json = False,
) -> int:
    """Measure which spatial frequencies a detector needs: passband detect MODEL IMAGES ANNOTATIONS.

    The detector is shown whole images, their LFC and HFC at each cut-off, and a control for chance; COCO's numbers of each come with
    intervals over images. Writes detection.json, tables, detection.html and figures to one folder. The exit code is 1 if a
    requirement is not met. An interrupted run goes on where it was.

    A detector that runs elsewhere: passband detect IMAGES ANNOTATIONS --write FOLDER writes what it is to be shown, and passband
    detect IMAGES ANNOTATIONS --results full.json lfc-128.json takes what it found, as result files in COCO's format.

    Args:
        sources: MODEL: torchvision:NAME, python:file.py:function, onnx:FILE.onnx, or a folder of a trained detector. IMAGES: a
            folder, or phantom. ANNOTATIONS: a file in COCO's format; a phantom has its own.
        split_at: Split the original image, or what the network's own resize makes of it (input).
        limit: Use only the images with the smallest ids, this many.
        resamples: How often images are drawn anew for intervals.
        write: Write the views of the images to this folder, for a detector that runs elsewhere, and end.
        results: Result files of a detector that ran elsewhere, named after their views: full.json, lfc-128.json, hfc-0.2px.json.
        require: A requirement for continuous integration, such as 'map-lfc@128 >= 0.25', or 'map50 >= 0.5 at 95%' of
            its interval; may be repeated.
        report: Write detection.html and figures.
        batch_size: Views of one image that are shown at a time; it changes no result.
    """
    if write is not None and results is not None:
        raise InputError(
            "--write makes what a detector is to be shown, --results takes what it found: give one of them"
        )
    elsewhere = write is not None or results is not None
    shard_options.check()
    if elsewhere and not shard_options.alone:
        raise InputError("--workers is for detectors that run here: --write and --results take one process")
    model, images, annotations = _named(sources, with_model=not elsewhere)
    requirements = [parse_detector_requirement(text) for text in require or []]
    check_junit(junit, requirements)
    result_files = named_views(results or [])
    if (target := write or out) is not None:
        check_target(target, overwrite=overwrite)
    if report and write is None:
        options.check_report_extra()
    if write is None:
        options.check_detection_extra()
    from passband.detection.sources import open_detection_data

    say(f"Reading {annotations or images}")
    dataset = open_detection_data(images, annotations, limit=limit)
    if write is not None:
        return _write(dataset, view_options, requirements, write, seed=seed, json=json)
    from passband.audit.detector import audit_detector
    from passband.audit.detector_gate import check_measured
    from passband.audit.gate import holding
    from passband.files import remove_unfinished
    from passband.report.detector import write_detector_report

    views = view_options.choose(dataset, requirements) if model else tuple(result_files)
    for requirement in requirements:
        check_measured(requirement, tuple(map(str, views)))
    if model is not None:
        say(f"Loading the detector {model}")
        detector = detector_options.load(model, device)
        folder = _folder(out, detector.entry.name, dataset, overwrite=overwrite)
        load = Loading(
            model=model,
            images=images,
            annotations=annotations,
            limit=limit,
            detector_options=detector_options,
        )
        with progress_bars() as progress, shard_options.ahead_of_detector(load, device) as ahead:
            audited = audit_detector(
                detector,
                dataset,
                views=views,
                amplitude=view_options.amplitude,
                split_at=split_at,
                label_ids=detector_options.label_ids,
                resamples=resamples,
                batch_size=batch_size,
                seed=seed,
                result_folder=folder,
                progress=progress,
                ahead=ahead,
            )
    else:
        folder = _folder(out, _origin(result_files).resolve().name, dataset, overwrite=overwrite)
        audited = _from_results(result_files, dataset, detector_options, resamples=resamples, seed=seed)
    audited = holding(audited, require or ())
    checked = [audited.check(requirement.text) for requirement in requirements]
    say("Writing the report" if report else "Writing the card")
    with written_whole(folder) as aside:
        audited.save(aside)
        if report:
            write_detector_report(audited, aside)
    remove_unfinished(folder)

    card, suite = audited.card, f"{audited.card.model.name} on {audited.card.data.name}"
    if junit is not None:
        write_junit(junit, suite, checked)
    if json:
        met = [each.to_dict() for each in checked]
        print_json({"folder": str(folder), "card": card.to_dict(), "requirements": met})
    else:
        _print(card)
        print_lines([*map(str, card.notices), *map(str, checked)])
        print_lines(
            [
                f"{'Report' if report else 'Card'}: {folder / ('detection.html' if report else 'detection.json')}"
            ]
        )
    annotate(suite, checked, json=json)
    return 0 if all(each.met for each in checked) else 1


def named_views(files: Sequence[Path]) -> dict[View, Path]:
    """Return the views that result files are of, by their names: `full.json`, `lfc-128.json`, `hfc-0.2px.json`.

    Raises:
        InputError: If a name is none of a view, two are of one, or there is none of whole images or of views.
    """
    found: dict[View, Path] = {}
    for file in files:
        try:
            view = parse_view(file.stem.replace("-", ":", 1))
        except InputError as error:
            raise InputError(
                f"a result file is called after what was shown, such as full.json, lfc-128.json or hfc-0.2px.json; got {file.name!r}"
            ) from error
        if view in found:
            raise InputError(f"{found[view]} and {file} are both of {view}: give one of them")
        found[view] = file
    if files and (WHOLE not in found or len(found) < 2):
        raise InputError(
            f"--results needs full.json and at least one view, such as lfc-128.json; got {', '.join(map(str, files))}"
        )
    return found


def _named(sources: Sequence[str], *, with_model: bool) -> tuple[str | None, str, str | None]:
    """Return model, images and annotations of what stands after the command.

    Raises:
        InputError: If there are too few or too many.
    """
    wanted = "MODEL IMAGES ANNOTATIONS" if with_model else "IMAGES ANNOTATIONS"
    rest = list(sources)
    model = rest.pop(0) if with_model and rest else None
    if not 1 <= len(rest) <= 2 or (with_model and model is None):
        raise InputError(
            f"passband detect takes {wanted}, where a phantom has annotations of its own; got {' '.join(sources) or 'nothing'}"
        )
    return model, rest[0], rest[1] if len(rest) == 2 else None


def _folder(
    out: Path | None, name: str, dataset: passband.detection.dataset.DetectionDataset, *, overwrite: bool
) -> Path:
    folder = out or Path("detections") / slug(f"{name}-{dataset.annotations.name}")
    check_target(folder, overwrite=overwrite)
    return folder


def _origin(result_files: dict[View, Path]) -> Path:
    return result_files[WHOLE].parent


def _from_results(
    result_files: dict[View, Path],
    dataset: passband.detection.dataset.DetectionDataset,
    detector_options: DetectorOptions,
    *,
    resamples: int,
    seed: int,
) -> passband.audit.detector.DetectorAudit:
    from passband.audit.detector import audit_results
    from passband.detection.results_files import about_results, read_results

    tables = {view: read_results(path, dataset.annotations) for view, path in result_files.items()}
    notices = [
        notice
        for view, path in result_files.items()
        for notice in about_results(path, tables[view], dataset.annotations)
    ]
    with progress_bars() as progress:
        return audit_results(
            tables,
            dataset.annotations,
            source=str(_origin(result_files)),
            dataset=dataset,
            label_ids=detector_options.label_ids,
            notices=notices,
            resamples=resamples,
            seed=seed,
            progress=progress,
        )


def _write(
    dataset: passband.detection.dataset.DetectionDataset,
    view_options: ViewOptions,
    requirements: Sequence[DetectorRequirement],
    folder: Path,
    *,
    seed: int,
    json: bool,
) -> int:
    """Write the views of images, and say how to go on."""
    from passband.detection.image_files import folder_of, write_images
    from passband.detection.shown import Shown

    if requirements:
        raise InputError("--write measures nothing, so that there is nothing to hold --require against")
    views = view_options.choose(dataset)
    with progress_bars() as progress:
        write_images(
            dataset,
            views,
            Shown(view_options.amplitude, seed=seed),
            folder,
            progress=progress,
        )
    names = [folder_of(view) for view in views]
    if json:
        print_json({"folder": str(folder), "views": names, "images": len(dataset)})
        return 0
    files = " ".join(f"{name}.json" for name in names)
    print_lines(
        [
            f"Images: {', '.join(str(folder / name) for name in names)}",
            "Run a detector on each of these folders, write what it finds as a result file in COCO's format named after the folder, "
            "and measure them:",
            f"passband detect IMAGES ANNOTATIONS --results {files}",
        ]
    )
    return 0


def _print(card: passband.audit.detector_card.DetectorCard) -> None:
    rows = [
        (
            entry.view,
            _number(entry.numbers.get("map")),
            _number(entry.lost.get("map"), sign=True),
            *(_number(entry.numbers.get(name), interval=False) for name in SHOWN),
            "" if entry.images is None else f"{entry.images.gain} of {entry.images.images}",
        )
        for entry in card.views
    ]
    print_table(
        f"{card.model.name} on {card.data.name} ({card.data.images} images, {card.data.objects} objects), in percent "
        "[95% interval]",
        ("View", "mAP", "Lost", "@50", "Small", "Medium", "Large", "Images gain"),
        rows,
        "Cut-offs: cycles per image, or per pixel (px). Lost: of the whole images' mAP. Images gain: how many have a higher AP of "
        "their own than as a whole.",
    )
    print_lines(
        [
            f"lfc:{each.cutoff}: {percent(each.lfc)} of images gain, {percent(each.control)} under as much random change; "
            f"difference {_number(each.difference, sign=True)}, p = {each.p:.2g}"
            for each in card.chance
        ]
    )


def _number(
    found: passband.audit.detector_card.Measured | None, *, sign: bool = False, interval: bool = True
) -> str:
    """Return a number in percent, with its interval."""
    if found is None:
        return ""
    form = "+.1f" if sign else ".1f"
    if not interval or found.low is None or found.high is None:
        return f"{100 * found.value:{form}}"
    return f"{100 * found.value:{form}} [{100 * found.low:{form}}, {100 * found.high:{form}}]"
