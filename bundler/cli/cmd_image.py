"""``bundle image``: the images that wheels are built in."""

from __future__ import annotations

from typing import Annotated

import typer

from bundler.cli.options import reporting
from bundler.cli.report import Report

image_app = typer.Typer(
    name="image",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Images to build wheels in: list them, build them.",
)


@image_app.command()
@reporting
def build(
    report: Report,
    name: Annotated[str, typer.Argument(help="A name that `bundle image list` shows.")],
    base: Annotated[
        str | None,
        typer.Option("--from", help="Begin with this image instead of debootstrap (debian only)."),
    ] = None,
    python: Annotated[
        list[str] | None,
        typer.Option(
            help="Put this machine's CPython 3.X in too, or compile 3.Xt there (debian only)."
        ),
    ] = None,
    build_arg: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE for the Dockerfile, as REGISTRY=...")
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="Network mode of the engine, such as host.")
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build anew, with today's packages.")
    ] = False,
) -> None:
    """Build an image, unless it is there already.

    Example: bundle image build debian --python 3.8 --python 3.13
    """
    from bundler.containers.image_build import ImageOptions, build_image

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
        f"{state.reference}  {state.size / 1e6:.0f} MB  {state.id}",
    )


@image_app.command("list")
@reporting
def list_(report: Report) -> None:
    """List the images, and which of them are built.

    Example: bundle image list
    """
    from bundler.containers.images import list_images

    states = list_images()
    rows = [
        [
            state.name,
            f"{state.size / 1e6:8.0f} MB" if state.id else "not built",
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
    report.table(value, ["name", "size", "built", "image"], rows)


def pairs(words: list[str] | None, option: str) -> dict[str, str]:
    """``NAME=VALUE`` words as a dict. Raises UsageError for one that is not."""
    from bundler.errors import UsageError

    found = {}
    for word in words or ():
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(
                f"{option} '{word}' is not NAME=VALUE.", remedy=f"Write {option} NAME=VALUE."
            )
        found[name] = value
    return found
