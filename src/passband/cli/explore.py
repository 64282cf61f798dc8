"""`passband explore`: the page on which the radius is moved."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter, default_name_transform
from cyclopts.validators import Number

from passband.choices import Amplitude
from passband.cli import options
from passband.cli.console import print_lines, progress_bars, say
from passband.errors import InputError
from passband.files import check_target, written_whole
from passband.optional import require

PORT = 8765

Beside = Annotated[
    options.ModelOptions,
    Parameter(
        name="*",
        name_transform=lambda name: f"beside-{default_name_transform(name)}",
        group=Group("The model beside"),
    ),
]


def explore(
    model: options.Model,
    data: options.Data | None = None,
    /,
    *,
    model_options: options.ModelFlags = options.MODEL_DEFAULTS,
    data_options: options.DataFlags = options.DATA_DEFAULTS,
    size: options.Size = None,
    beside: str | None = None,
    beside_options: Beside = options.MODEL_DEFAULTS,
    amplitude: Amplitude = "max",
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
    uploaded. With --export it is written as static files instead, for any web server.

    Args:
        beside: A second model to show beside the first, written as MODEL; it takes the same images.
        amplitude: What is done to a component before the model sees it, at first; see `passband audit --help`.
        export: Folder to write the page to, with all that it shows of a few images.
        images: Positions in the data of those images; by default twelve: the surest flips, up to half of them, and the first.
        host: Address to listen on. One that other machines reach asks for a token, which is printed.
        port: Port to listen on; 0 takes one that is free.
        open: Open the page in the browser.
    """
    if images is not None and export is None:
        raise InputError("--images chooses what an export shows, and none is asked for. Add --export FOLDER.")
    if beside is None and beside_options != (unsaid := options.MODEL_DEFAULTS):
        given = next(
            each.name
            for each in fields(unsaid)
            if getattr(beside_options, each.name) != getattr(unsaid, each.name)
        )
        raise InputError(
            f"--beside-{default_name_transform(given)} is of a second model, and none is asked for. Add --beside MODEL."
        )
    if export is not None:
        check_target(export, overwrite=overwrite)
        if data is None:
            raise InputError("--export shows images of a data set: give DATA too")
    for module in ("starlette", "uvicorn"):
        require(module, extra="explore", purpose="the explorer")
    from passband.explorer.app import make_app
    from passband.explorer.classifier import ExploredClassifier
    from passband.explorer.export import export as write_export
    from passband.explorer.safety import is_loopback, make_token
    from passband.explorer.scene import Scene
    from passband.explorer.serve import address_of, listen, serve

    def load() -> ExploredClassifier:
        say(f"Loading the model {model}")
        models = [model_options.load(model, size)]
        if beside is not None:
            say(f"Loading the model {beside}")
            channels = beside_options.in_channels or model_options.in_channels
            models.append(replace(beside_options, in_channels=channels).load(beside, size))
        dataset = None
        if data is not None:
            say(f"Loading the data {data}")
            dataset = data_options.load(data, model=models[0], size=size)
        return ExploredClassifier(Scene.of(models, dataset, device=device), amplitude)

    if export is not None:
        explored = load()
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
        app = make_app(load(), host=host, token=token)
        address = address_of(listening, host, token)
        print_lines([f"Exploring on {address} (Ctrl-C ends it)"])
        try:
            serve(app, listening, open_at=address if open else None)
        except KeyboardInterrupt:  # the way in which it is meant to end
            say("Ended.")
    return 0
