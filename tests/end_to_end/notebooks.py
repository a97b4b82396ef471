"""A notebook in a real kernel of Jupyter, and its page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest


def run_cells(
    cells: Sequence[str], folder: Path, patch: pytest.MonkeyPatch
) -> list[list[dict[str, Any]]]:
    """Return what each cell shows.

    Args:
        cells: Their texts.
        folder: Where the kernel runs.
        patch: Sets variables of the environment.
    """
    nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    kernelspec = pytest.importorskip("ipykernel.kernelspec", reason="ipykernel is not installed")
    # a kernel specification of this Python, whatever else the machine has
    kernelspec.write_kernel_spec(str(folder / "share" / "jupyter" / "kernels" / "python3"))
    patch.setenv("JUPYTER_PATH", str(folder / "share" / "jupyter"))
    patch.setenv("AUTOTRANSFER_CACHE", str(folder / "cache"))
    patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells]
    )
    nbclient.NotebookClient(
        book, timeout=240, allow_errors=True, resources={"metadata": {"path": str(folder)}}
    ).execute()
    return [cell.outputs for cell in book.cells]


def streamed(shown: Sequence[dict[str, Any]]) -> str:
    """Return what a cell has printed."""
    return "".join(part["text"] for part in shown if part["output_type"] == "stream")


def error_of(shown: Sequence[dict[str, Any]]) -> str:
    """Return the error that a cell ended with; empty for none."""
    errors = [part for part in shown if part["output_type"] == "error"]
    return "".join(f"{error['ename']}: {error['evalue']}" for error in errors)


def html_of(shown: Sequence[dict[str, Any]]) -> str:
    """Return the result of a cell as HTML."""
    (result,) = [part for part in shown if part["output_type"] == "execute_result"]
    return str(result["data"]["text/html"])


def page_of(cells: Sequence[str], outputs: Sequence[Sequence[dict[str, Any]]]) -> str:
    """Return cells and what they show as a page, with the fonts of Jupyter."""
    parts = []
    for cell, shown in zip(cells, outputs, strict=True):
        parts.append(f"<pre class=cell>{html.escape(cell.strip())}</pre>")
        parts.append(f"<pre>{html.escape(streamed(shown))}</pre>")
        for part in shown:
            if part["output_type"] == "stream":
                continue
            if part["output_type"] == "error":
                parts.append(f"<pre>{html.escape(error_of([part]))}</pre>")
                continue
            data = part.get("data", {})
            plain = f"<pre>{html.escape(data.get('text/plain', ''))}</pre>"
            parts.append(data.get("text/html", plain))
    return f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style>{''.join(parts)}"


_STYLE = """body { font: 14px sans-serif; max-width: 60em; margin: 1em; }
pre { font: 13px monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.cell { background: #f5f5f5; border: 1px solid #ddd; padding: .5em; }
.dataframe { border-collapse: collapse; font-size: 12px; display: block; overflow-x: auto; }
.dataframe td, .dataframe th { border: 0; padding: .3em .5em; text-align: right; }"""
