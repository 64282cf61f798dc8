"""`passband explore`: the page on which the radius is moved."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import Group, Parameter, default_name_transform
from cyclopts.validators import Number

from passband.choices import Amplitude, SplitAt, ViewAmplitude
from passband.cli import interrupts, options
from passband.cli.console import print_lines, progress_bars, say
from passband.cli.detect import Cutoffs, DetectorOptions
from passband.errors import InputError
from passband.files import check_target, read_json, written_whole
from passband.optional import require

if TYPE_CHECKING:
    import passband.explorer.classifier
    import passband.explorer.detector
    import passband.explorer.explored

PORT = 8765

Beside = Annotated[
    options.ModelOptions,
    Parameter(
        name="*",
        name_transform=lambda name: f"beside-{default_name_transform(name)}",
        group=Group("The model beside"),
    ),
]


@dataclass(frozen=True, kw_only=True)
class FinderOptions:
    """How a detector is explored.

    Attributes:
        detector: MODEL finds objects; a folder of a trained detector and ANNOTATIONS say so themselves.
        decoder: How the outputs of a detector in an ONNX file are read, such as yolov8.
        label_ids: How its labels become categories: see `passband detect --help`.
        radii: Cut-offs in cycles per image; by default about twelve for each image.
        split_at: Split the original image, or what the detector's own resize makes of it (input).
    """

    detector: Annotated[bool, Parameter(negative="")] = False
    decoder: str | None = None
    label_ids: str | None = None
    radii: Cutoffs = None
    split_at: SplitAt = "original"


Finder = Annotated[FinderOptions, Parameter(name="*", group=Group("Detectors"))]
FINDER_DEFAULTS = FinderOptions()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be explored, as the command has it."""

    model: str
    data: str | None
    annotations: str | None
    model_options: options.ModelOptions
    data_options: options.DataOptions
    finder: FinderOptions
    size: int | tuple[int, int] | None
    beside: str | None
    beside_options: options.ModelOptions
    amplitude: ViewAmplitude | None
    device: str

    def of_detector(self) -> bool:
        """Return whether a detector is explored, once it is certain that all options are of the one or the other.

        Raises:
            InputError: If they are not.
        """
        is_one = self.finder.detector or self.annotations is not None or _is_detector(self.model)
        if is_one:
            _refuse_others(
                self.model_options, options.MODEL_DEFAULTS, ("weights", "weights_key"), "a classifier"
            )
            _refuse_others(self.data_options, options.DATA_DEFAULTS, ("limit",), "images of a classifier")
            if self.size is not None:
                raise InputError("--size resizes images for a classifier; a detector resizes them itself")
            if self.beside is not None:
                raise InputError("a detector is explored alone: leave --beside out")
            if self.data is not None:
                options.check_detection_extra()
        else:
            _refuse_others(
                self.finder, FINDER_DEFAULTS, (), "a detector", hint=". Is MODEL one? Add --detector."
            )
            if self.amplitude == "picture":
                raise InputError("the amplitude 'picture' is for detectors. Choose another one, such as max.")
        return is_one

    def load(self) -> passband.explorer.explored.Explored[Any]:
        """Load all of it."""
        return self._detector() if self.of_detector() else self._classifier()

    def _classifier(self) -> passband.explorer.classifier.ExploredClassifier:
        from passband.explorer.classifier import ExploredClassifier
        from passband.explorer.scene import Scene

        say(f"Loading the model {self.model}")
        models = [self.model_options.load(self.model, self.size)]
        if self.beside is not None:
            say(f"Loading the model {self.beside}")
            channels = self.beside_options.in_channels or self.model_options.in_channels
            models.append(replace(self.beside_options, in_channels=channels).load(self.beside, self.size))
        dataset = None
        if self.data is not None:
            say(f"Loading the data {self.data}")
            dataset = self.data_options.load(self.data, model=models[0], size=self.size)
        amplitude = cast("Amplitude", self.amplitude or "max")
        return ExploredClassifier(Scene.of(models, dataset, device=self.device), amplitude)

    def _detector(self) -> passband.explorer.detector.ExploredDetector:
        from passband.detection.sources import open_detection_data
        from passband.explorer.detector import ExploredDetector
        from passband.explorer.detector_scene import DetectorScene

        dataset = None
        if self.data is not None:
            say(f"Reading {self.annotations or self.data}")
            dataset = open_detection_data(self.data, self.annotations, limit=self.data_options.limit)
        say(f"Loading the detector {self.model}")
        finder, given = self.finder, self.model_options
        loading = DetectorOptions(
            weights=given.weights, weights_key=given.weights_key, decoder=finder.decoder
        )
        scene = DetectorScene.of(
            loading.load(self.model, self.device),
            dataset,
            radii=finder.radii,
            split_at=finder.split_at,
            label_ids=finder.label_ids,
        )
        return ExploredDetector(scene, self.amplitude or "picture")


def explore(
    model: options.Model,
    data: options.Data | None = None,
    annotations: str | None = None,
    /,
    *,
    model_options: options.ModelFlags = options.MODEL_DEFAULTS,
    data_options: options.DataFlags = options.DATA_DEFAULTS,
    finder: Finder = FINDER_DEFAULTS,
    size: options.Size = None,
    beside: str | None = None,
    beside_options: Beside = options.MODEL_DEFAULTS,
    amplitude: ViewAmplitude | None = None,
    export: Path | None = None,
    images: Annotated[
        list[int] | None, Parameter(consume_multiple=True, negative="", validator=Number(gte=0))
    ] = None,
    overwrite: options.Overwrite = False,
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = PORT,
    open: bool = True,
    device: options.Device = "auto",
) -> int:
    """Open a page on which the radius is moved, and LFC, HFC and what a model says of them follow.

    The page is served on this machine and asks no other one for anything; Ctrl-C ends it. Without DATA, pictures are
    uploaded. With --export it is written as static files instead, for any web server. A detector is explored as `passband
    detect` measures it: passband explore MODEL IMAGES ANNOTATIONS.

    Args:
        annotations: Of a detector: a file in COCO's format; a phantom has its own. DATA are a folder of images then, or phantom.
        beside: A second model to show beside the first, written as MODEL; it takes the same images.
        amplitude: What is done to a component before the model sees it, at first; by default max for a classifier, picture for
            a detector: see `passband audit --help` and `passband detect --help`.
        export: Folder to write the page to, with all that it shows of a few images.
        images: Positions in the data of those images; by default twelve: those worth jumping to, up to half of them, and the first.
        host: Address to listen on. One that other machines reach asks for a token, which is printed.
        port: Port to listen on; 0 takes one that is free.
        open: Open the page in the browser.
    """
    if images is not None and export is None:
        raise InputError("--images chooses what an export shows, and none is asked for. Add --export FOLDER.")
    if beside is None and beside_options != options.MODEL_DEFAULTS:
        given = _changed(beside_options, options.MODEL_DEFAULTS)
        raise InputError(
            f"--beside-{given[0]} is of a second model, and none is asked for. Add --beside MODEL."
        )
    if export is not None:
        check_target(export, overwrite=overwrite)
        if data is None:
            raise InputError("--export shows images of a data set: give DATA too")
    asked = Asked(
        model=model,
        data=data,
        annotations=annotations,
        model_options=model_options,
        data_options=data_options,
        finder=finder,
        size=size,
        beside=beside,
        beside_options=beside_options,
        amplitude=amplitude,
        device=device,
    )
    asked.of_detector()  # what does not go together is said before anything is loaded
    for module in ("starlette", "uvicorn"):
        require(module, extra="explore", purpose="the explorer")
    from passband.explorer.app import make_app
    from passband.explorer.export import export as write_export
    from passband.explorer.safety import is_loopback, make_token
    from passband.explorer.serve import address_of, listen, serve

    if export is not None:
        explored = asked.load()
        with progress_bars() as progress, written_whole(export) as aside:
            chosen = write_export(explored, aside, images, progress=progress)
        print_lines(
            [
                f"The page, with {len(chosen)} images: {export}",
                f"A browser does not open it as a file. Serve it, such as with: python -m http.server --directory {export}",
            ]
        )
        return 0
    token = None if is_loopback(host) else make_token()
    with listen(host, port) as listening:  # before anything is loaded: a port that is taken is said at once
        app = make_app(asked.load(), host=host, token=token)
        address = address_of(listening, host, token)
        print_lines([f"Exploring on {address} (Ctrl-C ends it)"])
        try:
            serve(app, listening, open_at=address if open else None, interrupted=interrupts.asked.is_set)
        except KeyboardInterrupt:  # the way in which it is meant to end
            say("Ended.")
    return 0


def _is_detector(model: str) -> bool:
    """Return whether a source is a detector's for certain: a folder of a trained one."""
    config = Path(model) / "config.json"
    if not config.is_file():
        return False
    try:
        found = read_json(config)
    except InputError:
        return False  # whoever loads it says what is wrong
    return isinstance(found, dict) and found.get("kind") == "detector"


def _changed(given: Any, defaults: Any) -> list[str]:
    """Return the options that were given, as they are written."""
    return [
        default_name_transform(each.name)
        for each in fields(given)
        if getattr(given, each.name) != getattr(defaults, each.name)
    ]


def _refuse_others(given: Any, defaults: Any, taken: tuple[str, ...], what: str, hint: str = "") -> None:
    names = [name for name in _changed(given, defaults) if name.replace("-", "_") not in taken]
    if names:
        raise InputError(f"--{' and --'.join(names)} {'is' if len(names) == 1 else 'are'} for {what}{hint}")
