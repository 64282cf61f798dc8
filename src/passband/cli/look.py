"""`passband spectrum` and `passband split`: looking at data."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from passband.choices import Geometry
from passband.cli import options
from passband.cli.console import print_json, print_lines, say
from passband.files import check_target, slug, write_json, written_whole
from passband.preparation import AS_STORED, Resize

if TYPE_CHECKING:
    import passband.data.dataset
    import passband.instruments.spectrum


def spectrum(
    data: options.Data,
    *,
    data_options: options.DataFlags = options.DATA_DEFAULTS,
    size: options.Size = None,
    report: bool = True,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    device: options.Device = "auto",
    json: options.Json = False,
) -> int:
    """Measure a data set's mean spectrum, and look for traces of JPEG and of upsampling.

    Writes spectrum.json, pictures.safetensors, spectrum.html and figures to one folder.

    Args:
        report: Write spectrum.html and figures.
    """
    if out is not None:
        check_target(out, overwrite=overwrite)
    if report:
        options.check_report_extra()
    from passband.audit.pictures import PICTURES
    from passband.instruments.spectrum import measure_spectrum
    from passband.report.page import write_spectrum_report
    from passband.serial import write_tensors

    say(f"Loading the data {data}")
    dataset = data_options.load(data, size=size)
    folder = out or Path("spectra") / slug(dataset.name)
    check_target(folder, overwrite=overwrite)
    found = measure_spectrum(dataset, device=device)
    summary = _summary(found, dataset)
    with written_whole(folder) as aside:
        write_json(aside / "spectrum.json", summary)
        write_tensors(aside / PICTURES, found)
        if report:
            write_spectrum_report(found, aside)
    if json:
        print_json({"folder": str(folder), **summary})
        return 0
    findings = [f"Warning: {trace.message}" for trace in found.traces.findings]
    print_lines(
        [
            f"{found.name} ({found.subset}): {found.samples} images of {found.height}x{found.width} pixels",
            f"Half of the energy beside the mean lies within radius {_reached(found, 0.5)}, 95% within "
            f"{_reached(found, 0.95)}",
            *(findings or ["No traces of JPEG or of upsampling found."]),
            *([] if dataset.preparation is None else [f"Pictures: {dataset.preparation}"]),
            *map(str, dataset.notices),
            f"{'Report' if report else 'Spectrum'}: {folder / ('spectrum.html' if report else 'spectrum.json')}",
        ]
    )
    return 0


def split(
    image: Path,
    /,
    *,
    radius: float,
    geometry: Geometry = "index",
    size: options.Size = None,
    resize: Resize = "pillow-lanczos",
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    device: options.Device = "auto",
    json: options.Json = False,
) -> int:
    """Split a picture into its LFC and HFC, and draw its spectrum with the circle between them.

    Writes original.png, low.png (clipped to [0, 1]), high.png (0 is middle gray) and spectrum.png to one folder.

    Args:
        image: A picture: PNG, JPEG or whatever else Pillow reads.
        radius: Cut-off in cycles per image; a frequency at the radius is low.
        resize: By which filter of which library the picture is resized, where there is a size.
        geometry: Count cycles per image on either axis (index), per length of the shorter side (isotropic), or per pixel
            (pixel), at most 0.5 on either axis.
    """
    folder = out or Path(f"{image.stem}-split")
    check_target(folder, overwrite=overwrite)
    import torch

    from passband.data.dataset import to_pixels
    from passband.data.images import Request, decode_images
    from passband.environment import choose_device
    from passband.frequency.fourier import split as split_images
    from passband.frequency.spectrum import energy_fraction, power_spectrum
    from passband.report.panels import picture, visible
    from passband.report.spectrum import spectrum_picture

    prepared = AS_STORED.changed(size=size, resize=resize)
    stored = decode_images([image], [str(image)], Request(preparation=prepared))[:]
    pixels = to_pixels(stored, choose_device(device))
    low, high = (part[0].cpu() for part in split_images(pixels, radius, geometry=geometry))
    power = power_spectrum(pixels).cpu()
    share = energy_fraction(pixels, radius)[0].item()
    with written_whole(folder) as aside:
        picture(pixels[0].cpu()).save(aside / "original.png")
        picture(low).save(aside / "low.png")
        picture(visible(high)).save(aside / "high.png")
        spectrum_picture(torch.fft.fftshift(power), [radius], geometry).save(aside / "spectrum.png")
    height, width = stored.shape[-2:]
    if json:
        print_json(
            {"folder": str(folder), "radius": radius, "height": height, "width": width, "energy": share}
        )
    else:
        print_lines(
            [
                f"{height}x{width} pixels; the LFC at radius {radius:g} holds {100 * share:.1f}% of the energy "
                "beside the mean",
                f"Pictures: {folder}",
            ]
        )
    return 0


def _summary(
    found: passband.instruments.spectrum.DataSpectrum, dataset: passband.data.dataset.ImageDataset
) -> dict[str, Any]:
    from passband.environment import versions

    return {
        "kind": "spectrum",
        "schema": 1,
        "data": {
            "name": found.name,
            "source": dataset.source,
            "subset": found.subset,
            "fingerprint": found.fingerprint,
            "samples": found.samples,
            "height": found.height,
            "width": found.width,
            "channels": found.channels,
            "preparation": None if dataset.preparation is None else asdict(dataset.preparation),
            "notices": [asdict(notice) for notice in dataset.notices],
        },
        "radial_power": found.radial.tolist(),
        "energy_within": found.energy.tolist(),
        "traces": found.traces.to_dict(),
        "versions": versions(),
    }


def _reached(found: passband.instruments.spectrum.DataSpectrum, share: float) -> int:
    """Return the smallest whole radius within which that share of the energy lies."""
    return int((found.energy >= share).int().argmax())
