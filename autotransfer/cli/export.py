"""`autotransfer export`."""

from __future__ import annotations

import click

from autotransfer.cli.options import json_option, plugin_option, print_json


@click.command(short_help="Write a saved model as one ONNX file.")
@click.argument("model_dir")
@click.argument("out", metavar="OUT.onnx")
@plugin_option
@json_option
def export(model_dir: str, out: str, plugins: tuple[str, ...], *, as_json: bool) -> None:
    """Write the selection in MODEL_DIR as one ONNX file, with the preprocessing inside.

    The file takes decoded images, uint8 (n, h, w, 3), and is written only if onnxruntime
    answers as the selection does, to 1e-4.
    """
    from autotransfer.selection.selection import load

    selection = load(model_dir, plugins=plugins)
    written = selection.to_onnx(out)
    size = written.stat().st_size
    if as_json:
        print_json({"onnx": str(written), "bytes": size, "classes": selection.class_names})
    else:
        click.echo(
            f"{written}: {size / 1e6:.1f} MB, checked under onnxruntime; input images, uint8 "
            f"(n, h, w, 3); output probabilities of {', '.join(selection.class_names)}"
        )
