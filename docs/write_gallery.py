"""Write what four fits say today into docs/gallery.md: one of each kind of target, on digits.

    python docs/write_gallery.py    # some minutes on two cores, no GPU; no network

The images are the handwritten digits of scikit-learn; the networks are the four that
`autotransfer demo` trains. A nightly test runs all of them and compares, timings apart.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from autotransfer.cli.demo_run import run_demo

PAGE = Path(__file__).with_name("gallery.md")
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# Which strokes a digit of a pocket calculator has: top, both upper sides, middle, both lower
# sides, bottom; then the number of closed loops of the written one.
STROKES = ("1110111", "0010010", "1011101", "1011011", "0111010",
           "1101011", "1101111", "1010010", "1111111", "1111011")  # fmt: skip
LOOPS = (1, 0, 0, 0, 0, 0, 1, 0, 2, 1)
_BLOCK = re.compile(r"```console\n\$ (autotransfer fit [^\n]*)\n.*?```", re.DOTALL)


def _write(folder: Path, images: NDArray[np.float64], names: list[str] | None) -> None:
    for i, image in enumerate(images):
        place = folder if names is None else folder / names[i]
        place.mkdir(parents=True, exist_ok=True)
        large = np.pad(np.kron(image, np.ones((3, 3))), 4)
        Image.fromarray(np.round(large * 255).astype(np.uint8)).save(place / f"{i:04d}.png")


def make(folder: Path) -> None:
    """Write sources and targets: photos with labels, without, with attributes, and features."""
    run_demo(folder, trials=1, seed=0, say=lambda _text: None)
    bunch, rng = load_digits(), np.random.default_rng(1)
    order = rng.permutation(len(bunch.target))
    images, labels = bunch.images[order] / 16.0, bunch.target[order]
    names = [NAMES[label] for label in labels]
    _write(folder / "digits", images[:150], names[:150])
    _write(folder / "plain-digits", images[200:500], names[200:500])
    faint = np.clip(0.25 + 0.5 * images[500:700] + rng.normal(0, 0.08, (200, 8, 8)), 0, 1)
    _write(folder / "faint-digits", faint, None)
    seen = [i for i in range(700, 1000) if labels[i] < 8]
    _write(folder / "seven-digits", images[seen], [names[i] for i in seen])
    rows = [f"{NAMES[k]},{','.join(STROKES[k])},{LOOPS[k]}" for k in range(10)]
    heads = "class,top,upper left,upper right,middle,lower left,lower right,bottom,loops"
    (folder / "strokes.csv").write_text("\n".join([heads, *rows]), encoding="utf-8")
    flat = images.reshape(len(images), -1)
    learnt = LinearDiscriminantAnalysis().fit(flat[1000:], labels[1000:])
    rows_used = slice(0, 120)
    np.savez(
        folder / "features.npz",
        baseline=flat[rows_used],
        y=labels[rows_used],
        **{
            "other-digits": learnt.transform(flat[rows_used]),
            "noise": rng.normal(size=(120, 20)),
        },
    )


def said(command: str, folder: Path) -> str:
    """Return what a command prints at its end, without what differs from run to run."""
    words = command.split()
    done = subprocess.run(  # noqa: S603 - our own program
        [str(Path(sys.executable).with_name(words[0])), *words[1:]],
        cwd=folder,
        env={**os.environ, "COLUMNS": "84", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip().split("\n\ntried\n")[0]


def with_outputs(page: str, folder: Path, only: str = "") -> str:
    """Return the page with the output of its commands.

    Args:
        page: Its text; each block of a fit is a command and what it said.
        folder: Where the sources and targets are.
        only: Part of the commands that are run; empty runs all.
    """

    def renewed(block: re.Match[str]) -> str:
        command = block.group(1)
        if only not in command:
            return block.group(0)
        return f"```console\n$ {command}\n{said(command, folder)}\n```"

    return _BLOCK.sub(renewed, page)


def main() -> None:
    """Write all of it."""
    with tempfile.TemporaryDirectory() as made:
        make(Path(made))
        PAGE.write_text(with_outputs(PAGE.read_text("utf-8"), Path(made)), encoding="utf-8")


if __name__ == "__main__":
    main()
