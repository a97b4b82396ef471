"""Draw the end of a fit as an image: python docs/images/draw_result.py FIT_FOLDER OUT.svg."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rich.console import Console

from autotransfer.cli.texts import fit_text
from autotransfer.selection.selection import read_record


def draw(folder: Path, out: Path) -> None:
    """Write what `autotransfer show FOLDER` prints as an SVG without any outside reference."""
    record = read_record(folder)
    console = Console(record=True, width=100, file=Path("/dev/null").open("w"))  # noqa: SIM115
    text = fit_text(record).replace(str(folder.resolve()), folder.name)
    console.print(text.strip(), highlight=False, soft_wrap=False)
    svg = console.export_svg(title=f"autotransfer show {folder.name}")
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    out.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
