"""A terminal of 80 columns: what a command shows in it, as text and as an image."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.end_to_end.browser import Browser

COLUMNS, ROWS = 80, 50
_SIZES = ("COLUMNS", "LINES")  # of another terminal
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Shown:
    """What a command has shown.

    Args:
        words: The command.
        code: Its exit code.
        output: Everything it wrote, with the sequences that move the cursor.
        seconds: Until it ended.
        first: Seconds until its first line.
    """

    words: tuple[str, ...]
    code: int
    output: str
    seconds: float
    first: float

    @property
    def lines(self) -> list[str]:
        """Return what stays on the screen."""
        return screen(self.output)

    @property
    def text(self) -> str:
        """Return what stays on the screen as one text."""
        return "\n".join(self.lines)


def run_in_terminal(
    words: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Shown:
    """Run a command of this Python's environment in a terminal.

    Args:
        words: The command as it is typed.
        folder: Where it is typed.
        environment: Variables beside those of this process.
    """
    program = Path(sys.executable).with_name(words[0])
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    theirs = {name: value for name, value in os.environ.items() if name not in _SIZES}
    began = time.monotonic()
    process = subprocess.Popen(
        [str(program), *words[1:]], cwd=folder, stdin=side, stdout=side, stderr=side,
        env={**theirs, "TERM": "xterm", **(environment or {})}, start_new_session=True,
    )  # fmt: skip
    os.close(side)
    content, first = b"", 0.0
    while True:
        try:
            piece = os.read(main, 1 << 16)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        first = first or time.monotonic() - began
        content += piece
    os.close(main)
    code = process.wait(60)
    return Shown(
        tuple(words), code, content.decode("utf-8", "replace"), time.monotonic() - began, first
    )


def screen(output: str) -> list[str]:
    """Return the lines that a terminal shows in the end, the cursor's moves done."""
    lines, row, column = [""], 0, 0
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)", output):
        moved = re.fullmatch(r"\x1b\[([0-9;?]*)([A-Za-z])", part)
        if part == "\n":
            row, column = row + 1, 0
        elif part == "\r":
            column = 0
        elif moved and moved[2] == "A":
            row = max(0, row - int(moved[1] or 1))
        elif moved and moved[2] == "K":
            lines[row] = "" if moved[1] == "2" else lines[row][:column]
        elif not moved and part:
            lines[row] = (
                lines[row].ljust(column)[:column] + part + lines[row][column + len(part) :]
            )
            column += len(part)
        while len(lines) <= row:
            lines.append("")
    return lines


def draw(shown: Sequence[Shown], browser: Browser, image: Path) -> None:
    """Write an image of a terminal in which commands were typed one after the other."""
    told = "\n".join(f"$ {shlex.join(one.words)}\n{one.text}" for one in shown)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere)
        console.print(Text(told))
        svg = console.export_svg(title="80 columns")
    page = image.with_suffix(".html")
    page.write_text(f"<!doctype html><meta charset=utf-8>{svg}", encoding="utf-8")
    browser.open(page)
    browser.look(1000, "light")
    browser.picture(image)
    page.unlink()
