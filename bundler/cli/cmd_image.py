"""``bundle image``: the images that wheels are built in."""

from __future__ import annotations

from typing import Annotated

import typer

from bundler.cli.command import Command, given
from bundler.cli.group import Group
from bundler.cli.options import Network, pairs
from bundler.cli.report import Report, megabytes

app = typer.Typer(
    name="image",
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Build the container images that wheels are built in.",
)


@app.command(cls=Command)
def build(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A name that `bundle image list` shows.")
    ],
    base: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="IMAGE",
            help="Image to start from instead of debootstrap (debian only).",
        ),
    ] = None,
    python: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VERSION",
            help="Also add this machine's CPython 3.X, or compile a free-threaded 3.Xt "
            "(debian only, repeatable).",
        ),
    ] = None,
    build_arg: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Argument of the Dockerfile, such as REGISTRY=... (repeatable).",
        ),
    ] = None,
    network: Network = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Rebuild from scratch with current packages.")
    ] = False,
) -> None:
    """Build an image, unless it is already built.

    Example: bundle image build debian --python 3.8 --python 3.13
    """
    from bundler.containers.image_build import ImageOptions, build_image

    report = given(ctx, Report)
    options = ImageOptions(
        base=base,
        pythons=tuple(python or ()),
        arguments=pairs(build_arg, "--build-arg"),
        network=network,
        rebuild=rebuild,
    )
    state = build_image(name, report.session(), options)
    report.result(
        {"name": state.name, "reference": state.reference, "id": state.id, "size": state.size},
        f"{state.reference}  {megabytes(state.size).strip()}  {state.id}",
    )


@app.command("list", cls=Command)
def list_(ctx: typer.Context) -> None:
    """List the images, and which of them are built.

    Example: bundle image list
    """
    from bundler.containers.images import list_images

    states = list_images()
    rows = [
        [
            state.name,
            megabytes(state.size) if state.id else "not built",
            state.created[:10],
            state.reference if state.id else "",
        ]
        for state in states
    ]
    value = {
        "images": [
            {
                "name": state.name,
                "reference": state.reference,
                "id": state.id,
                "size": state.size,
                "created": state.created,
            }
            for state in states
        ]
    }
    given(ctx, Report).table(value, ["name", "size", "built", "image"], rows)
