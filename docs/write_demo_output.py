"""Write what `autotransfer demo` says today into the READMEs and docs/images/demo.svg.

    python docs/write_demo_output.py            # runs the demo, a minute
    python docs/write_demo_output.py FOLDER     # takes a demo that has run there

A nightly test runs the demo and compares, timings apart.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from autotransfer.cli.demo import TRIALS
from autotransfer.cli.demo_run import run_demo
from autotransfer.cli.texts import fit_text
from autotransfer.results import Record
from autotransfer.selection.selection import read_record

ROOT = Path(__file__).resolve().parents[1]
READMES = (ROOT / "README.md", ROOT / "README.zh.md")
PICTURE = ROOT / "docs" / "images" / "demo.svg"
COMMAND = "$ autotransfer demo"
WIDTH = 84
_BLOCK = re.compile(r"```console\n\$ autotransfer demo\n.*?```", re.DOTALL)
_ALT = re.compile(r"!\[[^\]]*\]\(docs/images/demo\.svg\)")


def demo_record(folder: Path) -> Record:
    """Return the record of the demo in a folder, which is run if it has not been."""
    saved = [*folder.glob("*/selection.json")]
    if not saved:
        run_demo(folder, trials=TRIALS, seed=0, say=lambda _text: None)
        saved = [*folder.glob("*/selection.json")]
    return read_record(saved[0].parent)


def told(record: Record) -> str:
    """Return the end of the demo without what differs from run to run: place, run and seconds."""
    text = fit_text(record).strip().replace(record.model, Path(record.model).name)
    text = re.sub(r"(mlflow    run ).*", r"\1...", text)
    return re.sub(r"(time      ).*", r"\1...", text)


def answer(record: Record) -> str:
    """Return the first part: verdict, sources, strategy, test and baselines."""
    return told(record).split("\n\ntried\n")[0]


def alt(record: Record) -> str:
    """Return what stands for the picture."""
    test = record.verdict.test
    score = "" if test is None else f", accuracy {test.value:.3f} on {test.n} images"
    return (
        f"The end of the demo: {record.verdict.decision}, {record.finalist.strategy} of "
        f"{len(record.chosen)} sources{score}"
    )


def with_output(page: str, record: Record) -> str:
    """Return a README with the answer and the words for the picture of this record."""
    page = _BLOCK.sub(lambda _: f"```console\n{COMMAND}\n{answer(record)}\n```", page)
    return _ALT.sub(lambda _: f"![{alt(record)}](docs/images/demo.svg)", page)


def picture(record: Record) -> str:
    """Return the answer as an SVG without any outside reference."""
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere)
        console.print(answer(record), highlight=False, markup=False, soft_wrap=False)
        svg = console.export_svg(title="autotransfer demo", unique_id="demo")
    return re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)


def main(folder: Path) -> None:
    """Write all of it."""
    record = demo_record(folder)
    for readme in READMES:
        readme.write_text(with_output(readme.read_text("utf-8"), record), encoding="utf-8")
    PICTURE.write_text(picture(record), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
