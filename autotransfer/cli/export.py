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

    The file takes decoded images, uint8 (n, h, w, 3), or tokens, which OUT.tokenizer.json beside
    it makes of texts, or samples of sounds and their mask, float32 (n, t). It is written only if
    onnxruntime answers as the selection does, to 1e-4.
    """
    from autotransfer.data.modality import Modality
    from autotransfer.selection.export.texts import tokenizers_beside
    from autotransfer.selection.selection import load

    selection = load(model_dir, plugins=plugins)
    written = selection.to_onnx(out)
    size = written.stat().st_size
    texts = selection.record.modality == Modality.TEXT
    beside = [str(file) for file in tokenizers_beside(written)] if texts else []
    if as_json:
        told = {"onnx": str(written), "bytes": size, "classes": selection.class_names}
        print_json({**told, "tokenizers": beside} if texts else told)
        return
    inputs = "images, uint8 (n, h, w, 3)"
    if texts:
        inputs = f"tokens and their mask, int64 (n, t), of texts by {', '.join(beside)}"
    if selection.record.modality == Modality.SOUND:
        inputs = "samples and their mask, float32 (n, t), read as its metadata `inputs` says"
    click.echo(
        f"{written}: {size / 1e6:.1f} MB, checked under onnxruntime; input {inputs}; output "
        f"probabilities of {', '.join(selection.class_names)}"
    )
