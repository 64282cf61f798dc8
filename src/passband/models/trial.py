"""What a network is asked before anything is measured: whether its answers are logits, and answers at all.

Somebody's network may return probabilities, lose the axis of the batch, draw at random, or look at the images beside an
image. Each of these makes a number wrong without a word. So every network is shown a few pictures in batches of 1, 2 and 3,
twice; what can be mended without guessing is, and is said; what cannot is refused.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from passband.errors import InputError, PassbandError
from passband.models.class_mapping import fitted, mismatch
from passband.models.graph import LARGEST_STD, Graph, follow
from passband.models.independence import BY_STATISTICS, CHANGE, uses_batch_statistics
from passband.models.pieces import in_pieces
from passband.models.pixels import ImageSet, PixelModel, Trial, as_pixel_model, check_fits, evaluating, failed
from passband.models.reading import ADVICE, Reading, Values, entry_of, find_entry
from passband.notices import Notice
from passband.randomness import generator_for
from passband.types import Batch

SIZE, CHANNELS = (32, 32), 3
"""Of the pictures, where a model says nothing."""

COUNTS = (2, 1, 3)
"""Images in the batches that are tried; where one of them fails, also those of `MORE`, up to the largest that works."""

MORE = (4, 8, 16, 32)

DRAWN = 1e-3
"""Share of the spread of the outputs by which they may change from call to call: what rounding does on some devices."""

SLIGHT = 0.01
"""The same for a change with the images beside an image that is worth a warning; see `passband.models.independence.CHANGE`."""

BOUNDED = 1e4
"""Times that contrast is raised to see whether outputs stay within [0, 1], and reach its ends, as only a sigmoid's do."""

SOFTMAX, SIGMOID = ("SoftmaxBackward0",), ("SigmoidBackward0",)
LINEAR = (
    "AddmmBackward0",
    "MmBackward0",
    "AddBackward0",
    "BmmBackward0",
    "ConvolutionBackward0",
    "MeanBackward1",
    "SumBackward1",
)
"""What torch calls the gradients of operations after which a number may be anything."""

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def tried(model: nn.Module, dataset: ImageSet, device: torch.device) -> PixelModel:
    """Return a model as one of pixels, on a device, once it is certain that it answers images such as a data set's.

    Its outputs are in the order of the data set's classes, by their names: see `passband.models.class_mapping.fitted`.

    Raises:
        InputError: If it does not take them, or as `fitted` and `try_out`.
    """
    pixels = as_pixel_model(model)
    check_fits(pixels, dataset)
    pixels = fitted(pixels, dataset).to(device)
    if pixels.trial is None or pixels.trial.dtype != _dtype(pixels.body):
        try_out(pixels, dataset.size, dataset.channels)
    assert pixels.trial is not None
    outputs = pixels.trial.outputs if pixels.outputs is None else len(pixels.outputs)
    if outputs != len(dataset.classes):
        raise InputError(mismatch(pixels, outputs, dataset))
    return pixels


def try_out(model: PixelModel, size: tuple[int, int] | None = None, channels: int | None = None) -> Trial:
    """Try a model, and have it read from now on as was found: `trial` and `notices` are set.

    The pictures are drawn by a fixed seed, and the global random state is left as it was. What is found of BatchNorm in
    training mode, or of other things that make an answer depend on the batch, is not refused here but by whoever measures:
    a network may be smoothed all the same.

    Args:
        model: On any device.
        size: Height and width of the pictures; by default those that it takes, or 32x32.
        channels: Their channels; by default those that it takes, or 3.

    Raises:
        InputError: If it fails on them, or returns no logits, nor what can be made logits without guessing.
    """
    old = () if model.trial is None else model.trial.notices
    with evaluating(model), torch.inference_mode(False), torch.no_grad(), _undrawn(model):
        # not in inference mode: what a network keeps for later calls could have no gradient there
        found = _try(model, model.size or size or SIZE, model.channels or channels or CHANNELS)
    model.trial = found
    model.notices = (*(notice for notice in model.notices if notice not in old), *found.notices)
    return found


def trial_pictures(size: tuple[int, int], channels: int) -> Batch:
    """Return three pictures in [0, 1]: noise, noise as smooth as natural pictures, and both together."""
    generator = generator_for(0, "trial")
    rough = torch.rand(1, channels, *size, generator=generator)
    coarse = torch.rand(2, channels, 4, 4, generator=generator)
    smooth = F.interpolate(coarse, size, mode="bilinear", align_corners=False)
    return torch.cat([rough, smooth[:1], 0.7 * smooth[1:] + 0.3 * rough.flip(-1)])


def _try(model: PixelModel, size: tuple[int, int], channels: int) -> Trial:
    inner = model.body
    if isinstance(inner, PixelModel) and type(inner).forward is PixelModel.forward:
        known = inner.trial or try_out(inner, size, channels)
        outputs = known.outputs if inner.outputs is None else len(inner.outputs)
        return replace(known, reading=Reading(), outputs=outputs)
    pictures = trial_pictures(size, channels).to(model.mean.device)  # a body may have no weights of its own
    asker, note = _find_reading(model, pictures)
    notices = [*_of_normalization(model), *_of_reading(asker, note)]
    first = asker.in_batches()
    rows = _finite(first)
    if not len(rows):
        raise InputError(
            f"{model.name} returns NaN or infinity for all random pictures: are its weights whole?"
        )
    graph = follow(asker.rows, asker.pixels[: min(asker.counts)])
    values, said = _find_values(asker, rows, graph)
    behaviour = _behaviour(asker, first)
    return Trial(
        reading=replace(asker.reading, values=values),
        outputs=max(rows.shape[1], 2),
        notices=(*notices, *said, *_of_scale(model, graph), *behaviour.notices),
        doubts=(*_of_rounding(model, values), *behaviour.doubts),
        dependent=behaviour.dependent,
        dtype=_dtype(model.body),
    )


@dataclass(frozen=True, eq=False)
class _Asker:
    """A network with the pictures that it is asked about.

    Attributes:
        model: The network.
        reading: How it is asked.
        pixels: The pictures, normalized.
        counts: The sizes of batches that it is tried on.
    """

    model: PixelModel
    reading: Reading
    pixels: Batch
    counts: tuple[int, ...] = COUNTS

    def rows(self, pixels: Batch) -> Tensor:
        """Return what the network itself returns, shaped (images, outputs): probabilities are not yet logits."""

        def run(piece: Tensor) -> Tensor:
            return self.reading.rows(self.output(piece), len(piece), self.model.name)

        batch = self.reading.batch
        return run(pixels) if batch is None else in_pieces(run, pixels, batch, batch)

    def output(self, pixels: Batch) -> Any:
        """Return all that the network returns for a copy of some images, which it may change."""
        return self.model.body(pixels.to(self.reading.dtype or pixels.dtype, copy=True))

    def in_batches(self) -> dict[int, Tensor]:
        """Return the rows of the first one, two and three pictures, in batches of their own."""
        return {count: self.rows(self.pixels[:count]).detach().clone() for count in self.counts}


def _find_reading(model: PixelModel, pictures: Batch) -> tuple[_Asker, str | None]:
    """Find out which type of numbers a network takes, how many images at once, and where its logits are.

    Raises:
        InputError: If it takes nothing of what was tried, or returns nothing that can be read.
    """
    pixels, own = model.normalized(pictures), _dtype(model.body)
    fault: InputError | None = None
    for dtype in dict.fromkeys((None, None if own == torch.float32 else own)):
        asker = _Asker(model, Reading(dtype=dtype), pixels)
        fault, outputs = None, {}
        for count in (*COUNTS, *MORE):
            if count in MORE and len(outputs) == len(COUNTS) and fault is None:
                break
            batch = pixels[torch.arange(count, device=pixels.device) % len(pixels)]
            try:
                outputs[count] = asker.output(batch)
            except (PassbandError, torch.OutOfMemoryError, MemoryError):
                raise
            except (Exception, SystemExit) as error:  # whatever somebody's code raises
                said = failed(model.name, batch, error)
                fault = fault or InputError(
                    f"{said}. If it needs images of another size or number of channels, give --size or --in-channels."
                )
                fault.__cause__ = error
        if outputs:
            return _located(asker, outputs, fault is not None)
    assert fault is not None
    raise fault


def _located(asker: _Asker, outputs: dict[int, Any], limited: bool) -> tuple[_Asker, str | None]:
    """Find where the logits are in what a network returned for batches of some sizes; it failed on others if `limited`."""
    name = asker.model.name
    count, output = next(iter(outputs.items()))
    entry, note = find_entry(output, name)
    reading = replace(asker.reading, entry=entry)
    shape = entry_of(output, entry).shape if entry is not None else output.shape
    axes = [side for side in shape if side != 1]
    first = axes.pop(0) if count > 1 and axes else shape[0] if len(shape) else 0
    if first != count or len(axes) > 1:
        reading.rows(output, count, name)  # says what was expected
    reading = replace(reading, outputs=axes[0] if axes else 1)
    for count, output in outputs.items():
        reading.rows(output, count, name)
    if uses_batch_statistics(
        asker.model
    ):  # some cannot answer a single image, and none may have its batch filled up
        return replace(asker, reading=reading, counts=tuple(n for n in COUNTS if n in outputs)), note
    if limited:
        reading = replace(reading, batch=max(outputs))
    return replace(asker, reading=reading), note


class _Behaviour(NamedTuple):
    """How answers change from call to call and with the images beside an image: see `Trial`."""

    notices: tuple[Notice, ...] = ()
    doubts: tuple[str, ...] = ()
    dependent: str | None = None


def _behaviour(asker: _Asker, first: dict[int, Tensor]) -> _Behaviour:
    name, rows = asker.model.name, _finite(first)
    spread = (rows.max() - rows.min()).item()
    if uses_batch_statistics(asker.model):
        return _Behaviour(dependent=BY_STATISTICS)
    drawn = max(
        _change(one, two) for one, two in zip(first.values(), asker.in_batches().values(), strict=True)
    )
    if drawn > DRAWN * spread:
        said = (
            f"{name} answers the same picture differently from call to call, by {_percent(drawn, spread)} of the range of its "
            "outputs: it draws at random, as with dropout left on or a random crop inside, and no number comes out the same twice."
        )
        doubt = f"{name} answers at random, so that an attack climbs another gradient than that of the answer it is judged by."
        return _Behaviour((Notice("model", said),), (doubt,))
    black, white = (asker.model.normalized(torch.full_like(asker.pixels[:1], value)) for value in (0, 1))
    beside = [asker.rows(torch.cat([asker.pixels[:1], other]))[:1] for other in (black, white)]
    change = max(_change(first[1], answer) for answer in (first[2][:1], first[3][:1], *beside))
    if change > CHANGE * rows.abs().max().item():
        return _Behaviour(dependent="the same picture was answered differently beside other pictures")
    if change > SLIGHT * spread:
        said = (
            f"answers of {name} change a little with the images beside an image, by {_percent(change, spread)} of the range of its "
            "outputs, as when a network is quantized on the fly: numbers depend on the batch size."
        )
        doubt = f"Answers of {name} change a little with the batch, so that what breaks an image may not do so again."
        return _Behaviour((Notice("model", said),), (doubt,))
    if (rows - rows[:1]).abs().max() <= 1e-6 * rows.abs().max():
        return _Behaviour(
            (Notice("model", f"{name} gives the same answer to all pictures that it was tried on."),)
        )
    return _Behaviour()


def _find_values(asker: _Asker, rows: Tensor, graph: Graph) -> tuple[Values, tuple[Notice, ...]]:
    """Tell logits from probabilities.

    Raises:
        InputError: If it cannot be told what a single output is, or outputs are answers and no logits.
    """
    name, single = asker.model.name, rows.shape[1] == 1
    inside = bool(((rows >= 0) & (rows <= 1)).all())
    known = graph.last in SOFTMAX or graph.last in SIGMOID  # one that is very sure is rounded to 0 and 1
    extreme = bool(((rows == 0) | (rows == 1)).all()) and (single or bool((rows.sum(dim=1) == 1).all()))
    if extreme and not known:
        raise InputError(
            f"{name} returns nothing but 0 and 1: its answers, and no logits, which tell how sure they are. {ADVICE}"
        )
    if single:
        values: Values = "sigmoids" if inside and _is_probability(asker, graph) else "logits"
        what, border = ("logit", 0) if values == "logits" else ("probability", 0.5)
        said = (
            f"{name} has one output, a {what}: the data's second class is the answer where it is above {border}, the first where "
            "it is below."
        )
        return values, (Notice("model", said, warning=False),)
    tolerance = max(1e-3, 4 * torch.finfo(rows.dtype).eps)
    for whole, unit in ((1, ""), (100, " in percent")):
        alike = bool(((rows.double().sum(dim=1) / whole - 1).abs() < tolerance).all())
        if (alike and bool((rows >= 0).all())) or (inside and graph.last in SOFTMAX):
            said = f"{name} returns probabilities{unit}, not logits: their logarithm was taken, which a softmax turns into them again."
            return "probabilities", (Notice("model", said),)
    if not inside:
        return "logits", ()
    if graph.last in SIGMOID or (graph.last not in LINEAR and _is_bounded(asker)):
        said = (
            f"{name} returns a probability of each class on its own, as sigmoids do: logits were made of them, and loss and "
            "confidence are those of a softmax over these."
        )
        return "sigmoids", (Notice("model", said),)
    return "logits", ()


def _is_probability(asker: _Asker, graph: Graph) -> bool:
    """Tell whether a single output that has been in [0, 1] so far is a probability."""
    if graph.last in SIGMOID or graph.last in SOFTMAX:
        return True
    if graph.last in LINEAR:
        return False
    if _is_bounded(asker):
        return True
    raise InputError(
        f"{asker.model.name} has one output, in [0, 1] for all pictures that were tried, and whether it is a logit or a "
        f"probability cannot be told. Have it return two: torch.cat([torch.zeros_like(logit), logit], dim=1). {ADVICE}"
    )


def _is_bounded(asker: _Asker) -> bool:
    """Tell whether outputs stay in [0, 1], and come to an end of it, on what is far from any picture."""
    rows = asker.rows(asker.pixels * BOUNDED)
    ends = (rows < 0.01) | (rows > 0.99)
    return bool(((rows >= 0) & (rows <= 1)).all()) and bool(ends.any())


def _of_normalization(model: PixelModel) -> tuple[Notice, ...]:
    for what, own, usual in zip(("mean", "std"), (model.mean, model.std), IMAGENET, strict=True):
        found = own.flatten().tolist()
        if len(found) == 3 and all(abs(a - b) < 2e-3 for a, b in zip(found, reversed(usual), strict=True)):
            said = (
                f"{model.name} has ImageNet's {what} in the order blue, green, red ({' '.join(f'{v:g}' for v in found)}): pictures "
                "are given red first. Turn the order around, and the network's first layer if it was trained on blue first."
            )
            return (Notice("model", said),)
    return ()


def _of_reading(asker: _Asker, note: str | None) -> Iterator[Notice]:
    name, reading = asker.model.name, asker.reading
    if note is not None:
        yield Notice("model", f"{note}.", warning=False)
    if reading.dtype is not None:
        kind = str(reading.dtype).removeprefix("torch.")
        said = f"{name} computes in {kind}: it is given such images, and what it returns is read as float32."
        yield Notice("model", said, warning=False)
    if reading.batch is not None:
        said = (
            f"{name} does not take batches of every size: it is shown {reading.batch} images at a time, the last batch filled up "
            "with copies."
        )
        yield Notice("model", said, warning=False)


def _of_scale(model: PixelModel, graph: Graph) -> tuple[Notice, ...]:
    if graph.scale is None or model.std.max() < 1 / LARGEST_STD:
        return ()
    said = (
        f"{model.name} begins by dividing its input by {graph.scale:g}, as one does with pixels from 0 to 255, and is shown "
        f"pixels in [0, 1]. If it expects the others, give --mean 0 --std {1 / 255:.6g}."
    )
    return (Notice("model", said),)


def _of_rounding(model: PixelModel, values: Values) -> tuple[str, ...]:
    if values == "logits":
        return ()
    said = f"{model.name} returns probabilities; where they are rounded to 0 or 1, there is no gradient for an attack to follow."
    return (said,)


def _finite(answers: dict[int, Tensor]) -> Tensor:
    """Return all rows that are finite; whoever measures refuses one that is not, by name."""
    rows = torch.cat([*answers.values()])
    return rows[rows.isfinite().all(dim=1)]


def _change(one: Tensor, other: Tensor) -> float:
    """Return the largest change of an output; infinity if one has become finite, or is no longer."""
    neither = ~one.isfinite() & ~other.isfinite()
    return (one - other).abs().masked_fill(neither, 0).nan_to_num(nan=float("inf")).max().item()


def _percent(change: float, spread: float) -> str:
    return f"{100 * change / spread:.2g}%" if spread else "all"


def _dtype(model: nn.Module) -> torch.dtype | None:
    """Return the type of a network's weights, the first that are floating-point numbers."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), None)


@contextmanager
def _undrawn(model: nn.Module) -> Generator[None]:
    """Draw by a fixed seed, and leave what the global generators of torch, NumPy and Python draw next as it was."""
    devices = [p.device for p in model.parameters() if p.device.type == "cuda"][:1]
    pythons, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002 - it is what others draw from
    try:
        with torch.random.fork_rng(devices=devices):
            torch.default_generator.manual_seed(0)
            yield
    finally:
        random.setstate(pythons)
        np.random.set_state(numpys)  # noqa: NPY002
