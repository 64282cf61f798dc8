"""Options that several commands share, described once, and refused where they can be before anything heavy is imported."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter, Token
from cyclopts.validators import Number

from passband.attacks.catalog import ATTACKS, RESTARTS, SANITY_SAMPLES, STEPS, check_ascent, named_measure
from passband.attacks.epsilon import check_epsilons
from passband.checks import check_at_least_one, check_device_name
from passband.choices import Norm, Subset
from passband.errors import InputError
from passband.optional import require
from passband.preparation import Resize

if TYPE_CHECKING:  # written out in full below, such names are found without an import here
    import passband.attacks.attack
    import passband.data.dataset
    import passband.models.pixels
    import passband.robustness.plan


def parse_size(_type: object, tokens: Sequence[Token]) -> int | tuple[int, int]:
    """Read `32` or `32x48` (height x width)."""
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", tokens[0].value)
    if match is None:
        raise InputError(
            f"a size is a number of pixels, or HEIGHTxWIDTH such as 32x48; got {tokens[0].value!r}"
        )
    sides = tuple(int(side) for side in match.groups() if side is not None)
    if 0 in sides:
        raise InputError(f"a size is 1 pixel or more, got {tokens[0].value!r}")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def parse_fraction(_type: object, tokens: Sequence[Token]) -> float:
    """Read `8/255` or `0.03`."""
    try:
        return float(Fraction(tokens[0].value))
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(
            f"a number or a fraction such as 8/255 is needed, got {tokens[0].value!r}"
        ) from error


def parse_fractions(_type: object, tokens: Sequence[Token]) -> list[float]:
    """Read several of them: `8/255 16/255`."""
    return [parse_fraction(float, [token]) for token in tokens]


Model = Annotated[
    str,
    Parameter(
        help="The model: a folder of `passband train` or `passband smooth`; a network's name with --weights; timm:NAME; "
        "torchvision:NAME; hf:FOLDER_OR_NAME; python:package.module:function; export:FILE.pt2; onnx:FILE.onnx."
    ),
]
Data = Annotated[
    str,
    Parameter(
        help="The data: fashion-mnist (built in), phantom, parquet:PATH, folder:PATH, npz:PATH, hf:FOLDER_OR_NAME, "
        "python:file.py:function, cifar10, mnist, fashion-mnist-full, imagenette."
    ),
]
Out = Annotated[Path | None, Parameter(help="Folder to write to.")]
Overwrite = Annotated[bool, Parameter(negative="", help="Replace what --out holds already.")]
Device = Annotated[
    str, Parameter(help="auto, cpu, cuda, cuda:N or mps.", validator=lambda _, name: check_device_name(name))
]
Seed = Annotated[int, Parameter(help="Decides everything that is drawn at random.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print the result as JSON.")]
Require = Annotated[list[str] | None, Parameter(consume_multiple=False, negative="")]
Junit = Annotated[
    Path | None, Parameter(help="File to write what became of the requirements to, as JUnit XML.")
]
BatchSize = Annotated[
    int | None,
    Parameter(
        help="Images at a time; it changes no result but AutoAttack's, which draws for a batch.",
        validator=lambda _, count: check_at_least_one("batch_size", count),
    ),
]
Fractional = Annotated[float | None, Parameter(converter=parse_fraction, n_tokens=1)]
Size = Annotated[
    int | tuple[int, int] | None,
    Parameter(
        converter=parse_size,
        n_tokens=1,
        negative="",
        help="Resize images: a number (center square), or HEIGHTxWIDTH.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """How a model is loaded.

    Attributes:
        weights: File of weights: safetensors, or what torch.save wrote (a state dict or a checkpoint with one).
        weights_key: Which weights of a checkpoint, such as state_dict, ema or outer.inner; or what their names begin with.
        match_weights: Find each weight by its name, or take them in order where names differ and shapes agree.
        num_classes: Number of outputs, where the weights do not tell.
        in_channels: Channels of the model's images, 1 or 3, where it does not tell.
        class_indices: The model's outputs for the data's classes, in their order: indices or names, with commas.
        mean: What the model expects to be subtracted from [0, 1] pixels, one number or one a channel.
        std: What it expects them to be divided by.
        output_name: Which of several outputs of an ONNX file or an exported program holds the logits.
    """

    weights: Path | None = None
    weights_key: str | None = None
    match_weights: Literal["name", "order"] = "name"
    num_classes: int | None = None
    in_channels: int | None = None
    class_indices: str | None = None
    mean: Annotated[list[float] | None, Parameter(consume_multiple=True, negative="")] = None
    std: Annotated[list[float] | None, Parameter(consume_multiple=True, negative="")] = None
    output_name: str | None = None

    def load(self, source: str, size: int | tuple[int, int] | None) -> passband.models.pixels.PixelModel:
        """Load the model called `source`."""
        from passband.models.load import load_model

        return load_model(
            source,
            weights=self.weights,
            weights_key=self.weights_key,
            match_weights=self.match_weights,
            num_classes=self.num_classes,
            in_channels=self.in_channels,
            class_indices=self.class_indices,
            mean=self.mean,
            std=self.std,
            size=size,
            output_name=self.output_name,
        )


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """How a data set is loaded.

    Attributes:
        subset: Which part of the data to use.
        limit: Use only the first images, this many; data that are sorted by class are shuffled before, always alike.
        resize: By which filter of which library pictures are resized; by default as the model's source says, else
            pillow-lanczos.
        crop_fraction: How large a part of a picture's sides is kept, from the middle, such as 0.875; by default as the
            model's source says, else 1.
        memory_limit: Keep images in memory up to so many GiB; larger sets are streamed.
        num_workers: Processes that decode the images of a streamed set; by default one for each processor, at most 8. 0
            decodes in between.
    """

    subset: Subset = "test"
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None
    resize: Resize | None = None
    crop_fraction: float | None = None
    memory_limit: Annotated[float, Parameter(validator=Number(gte=0))] = 4.0
    num_workers: Annotated[int | None, Parameter(validator=Number(gte=0))] = None

    def load(
        self,
        source: str,
        *,
        model: passband.models.pixels.PixelModel | None = None,
        size: int | tuple[int, int] | None = None,
    ) -> passband.data.dataset.ImageDataset:
        """Load the data set called `source`, and say so where its images are not kept in memory: see `read`."""
        from passband.cli.console import say
        from passband.data.stream import StreamedImages

        dataset = self.read(source, model=model, size=size)
        if isinstance(images := dataset.images, StreamedImages):
            say(
                f"{len(dataset):,} images would take {images.shape.numel() / 2**30:.2f} GiB, more than --memory-limit: they are "
                f"decoded whenever they are looked at, by {images.num_workers or 'no'} processes beside this one"
            )
        return dataset

    def read(
        self,
        source: str,
        *,
        model: passband.models.pixels.PixelModel | None = None,
        size: int | tuple[int, int] | None = None,
    ) -> passband.data.dataset.ImageDataset:
        """Load the data set called `source`, prepared as a model wants it; with a model, the size is the model's."""
        from passband.data.load import load_dataset

        return load_dataset(
            source,
            self.subset,
            size=size if model is None or model.preparation is None else None,
            resize=self.resize,
            crop_fraction=self.crop_fraction,
            preparation=None if model is None else model.preparation,
            channels=None if model is None else model.channels,
            limit=self.limit,
            memory_limit=int(min(self.memory_limit, 2**30) * 2**30),
            num_workers=self.num_workers,
        )

    def shared_out(self, workers: int) -> DataOptions:
        """Return the same for each of several processes, of which each has its part of those that decode images."""
        from passband.data.stream import choose_workers

        decoding = choose_workers(self.num_workers)
        return replace(self, num_workers=decoding and max(decoding // workers, 1))


@dataclass(frozen=True, kw_only=True)
class Loading:
    """How a command loads model and data: called in another process, it returns both.

    Attributes:
        model: As the command has it.
        data: Likewise.
        size: Likewise.
        model_options: Likewise.
        data_options: Likewise.
    """

    model: str
    data: str
    size: int | tuple[int, int] | None
    model_options: ModelOptions
    data_options: DataOptions

    def __call__(self) -> tuple[passband.models.pixels.PixelModel, passband.data.dataset.ImageDataset]:
        """Load them."""
        loaded = self.model_options.load(self.model, self.size)
        return loaded, self.data_options.read(self.data, model=loaded, size=self.size)

    def here(self) -> tuple[passband.models.pixels.PixelModel, passband.data.dataset.ImageDataset]:
        """Load them in the process of the command, which says so."""
        from passband.cli.console import say

        say(f"Loading the model {self.model}")
        loaded = self.model_options.load(self.model, self.size)
        say(f"Loading the data {self.data}")
        return loaded, self.data_options.load(self.data, model=loaded, size=self.size)

    def shared_out(self, workers: int) -> Loading:
        """Return the same for each of several processes: see `DataOptions.shared_out`."""
        return replace(self, data_options=self.data_options.shared_out(workers))


@dataclass(frozen=True, kw_only=True)
class AttackOptions:
    """How a model is attacked.

    Attributes:
        attack: fgsm, pgd or autoattack; several are run one after the other.
        epsilon: Bounds on the perturbation of [0, 1] pixels, such as 8/255 or 0.03 0.06 0.09.
        norm: Bound each pixel's change (linf), or the length of all of them together (l2).
        steps: Steps of PGD.
        step_share: Length of a step of PGD as a share of epsilon; by default 2.5 / steps.
        restarts: How often PGD starts anew on images that it has not broken.
        random_start: Start PGD anywhere in the ball, or at the image.
        band: Hold the perturbations of FGSM and PGD to the frequencies up to a radius (lfc:8) or beyond it (hfc:8).
        sanity: Check that the attack is as strong as it looks: a failed check is a warning of masked gradients.
        sanity_samples: Samples that the check rests on.
    """

    attack: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None
    epsilon: Annotated[
        list[float] | None,
        Parameter(converter=parse_fractions, n_tokens=1, consume_multiple=True, negative=""),
    ] = None
    norm: Norm = "linf"
    steps: int = STEPS
    step_share: Fractional = None
    restarts: int = RESTARTS
    random_start: bool = True
    band: str | None = None
    sanity: bool = True
    sanity_samples: Annotated[int, Parameter(validator=Number(gte=0))] = SANITY_SAMPLES

    def measures(self, *, default: Sequence[str] = ()) -> list[tuple[str, float]]:
        """Return what requirements call each attack that is asked for, with each of its epsilons.

        Args:
            default: Names of those to run if none is named.

        Raises:
            UnknownNameError: If there is no such attack.
            InputError: If attack and epsilons are not both given, or a setting cannot be.
        """
        names, epsilons = self.attack or default, self.epsilon or ()
        if not names and epsilons:
            raise InputError(
                "--epsilon bounds an attack, and none is asked for. Add --attack pgd, for example."
            )
        if names and not epsilons:
            raise InputError(
                "an attack needs at least one bound on the perturbation, such as --epsilon 8/255"
            )
        for name in names:
            ATTACKS.check(name)
            if self.norm not in (known := ATTACKS.lines[name].norms):
                raise InputError(
                    f"{name.upper()} takes no norm but {', '.join(known)}, got {self.norm!r}. Choose PGD, which does."
                )
        check_epsilons(epsilons, self.norm)
        check_ascent(self.steps, self.step_share, self.restarts, self.random_start)
        band = "" if self.band is None else f"-{self.band}"
        return [(named_measure(name, self.norm) + band, epsilon) for name in names for epsilon in epsilons]

    def plans(
        self, *, default: Sequence[str] = (), samples: int | None = None
    ) -> tuple[passband.robustness.plan.AttackPlan, ...]:
        """Return the attacks that were asked for.

        Args:
            default: Names of those to run if none is named.
            samples: How many samples each of them attacks; None for all.

        Raises:
            UnknownNameError: As `measures`.
            InputError: As `measures`, or if an attack does not have a setting.
        """
        from passband.robustness.plan import AttackPlan

        self.measures(default=default)
        return tuple(
            AttackPlan(
                self._named(name),
                tuple(self.epsilon or ()),
                samples=samples,
                sanity_samples=self.sanity_samples if self.sanity else 0,
            )
            for name in self.attack or default
        )

    def _named(self, name: str) -> passband.attacks.attack.Attack:
        """Return an attack with those options that it has; norm and band concern every attack, and none drops them."""
        kind = ATTACKS.find(name)
        given = {
            "norm": self.norm,
            "steps": self.steps,
            "step_share": self.step_share,
            "restarts": self.restarts,
            "random_start": self.random_start,
            "band": self.band,
        }
        has = [each.name for each in fields(kind)]
        return kind.of_settings({option: value for option, value in given.items() if option in has})


def check_report_extra() -> None:
    """Refuse a report that could not be written, before the work that it would report on."""
    for module in ("altair", "vl_convert", "jinja2"):
        require(module, extra="report", purpose="writing a report (leave it out with --no-report)")


def check_detection_extra() -> None:
    """Refuse what could not be measured, before the work that precedes measuring."""
    require("hotcoco", extra="detection", purpose="measuring detections")


MODEL_DEFAULTS = ModelOptions()
DATA_DEFAULTS = DataOptions()
ATTACK_DEFAULTS = AttackOptions()
ModelFlags = Annotated[ModelOptions, Parameter(name="*")]
DataFlags = Annotated[DataOptions, Parameter(name="*")]
AttackFlags = Annotated[AttackOptions, Parameter(name="*")]
