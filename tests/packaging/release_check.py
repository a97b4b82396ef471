"""What is checked before a release: `make release-check`, some minutes, most of them downloads.

Each step says what it found; the first one that fails ends it with exit status 1. Nothing is
uploaded. What remains to do by hand is in CONTRIBUTING.md.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# what a wheel without would still import, and fail later
NEEDED = (
    "autotransfer/py.typed",
    "autotransfer/models/catalogue/default_sizes.json",
    "autotransfer/report/templates/page.html.jinja",
    "autotransfer_feature_extraction.py",
    "autotransfer_search_spaces/default.toml",
)
TWINE = ("tool", "run", "--from", "twine")
LONGEST_DEMO = 180.0  # seconds, first imports of the new environment included


class ReleaseError(Exception):
    """A step found something that has to be fixed before a release."""


@dataclass(frozen=True)
class Place:
    """Where the check works.

    Args:
        folder: Holds what is built and installed.
        python: Which Python the wheel is installed for, as uv names it.
    """

    folder: Path
    python: str

    @property
    def built(self) -> list[Path]:
        """Return the source archive and the wheel."""
        return sorted((self.folder / "dist").glob("autotransfer-*"))

    @property
    def programs(self) -> Path:
        """Return the folder of the programs of the new environment."""
        return self.folder / "env" / "bin"

    def run(self, *command: str | Path) -> str:
        """Return what a command wrote.

        Raises:
            ReleaseError: If it ended with another status than 0.
        """
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ReleaseError(f"{command}: {(done.stdout + done.stderr).strip()[-2000:]}")
        return done.stdout

    def uv(self, *arguments: str | Path) -> str:
        """Return what uv wrote: the one beside this Python, or the one on the path."""
        beside = Path(sys.executable).with_name("uv")
        return self.run(beside if beside.is_file() else shutil.which("uv") or "uv", *arguments)


def versions(root: Path = ROOT) -> Mapping[str, str]:
    """Return the version by the file that says it."""
    code = (root / "autotransfer" / "__init__.py").read_text(encoding="utf-8")
    cited = (root / "CITATION.cff").read_text(encoding="utf-8")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "pyproject.toml": project["version"],
        "autotransfer/__init__.py": _found(r'^__version__ = "(.*)"$', code),
        "CITATION.cff": _found(r"^version: (\S+)$", cited),
    }


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, flags=re.MULTILINE)
    return match.group(1) if match else "none"


def agree(_place: Place) -> str:
    """Check that every file says the same version."""
    said = versions()
    if len(set(said.values())) != 1:
        raise ReleaseError(f"the files say different versions: {dict(said)}")
    version = said["pyproject.toml"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    dated = re.search(rf"^## \[?{re.escape(version)}\b", changes, flags=re.MULTILINE)
    return version if dated else f"{version}; still to do: its heading in CHANGELOG.md"


def build(place: Place) -> str:
    """Build the source archive, and the wheel from it; look whether all is in them."""
    place.uv("build", "--quiet", "--out-dir", place.folder / "dist", ROOT)
    archive, wheel = sorted(place.built, key=lambda path: path.suffix)
    with zipfile.ZipFile(wheel) as opened:
        inside = set(opened.namelist())
    missing = [name for name in NEEDED if name not in inside]
    if missing:
        raise ReleaseError(f"the wheel lacks {', '.join(missing)}")
    foreign = {name.split("/")[0] for name in inside if not name.startswith("autotransfer")}
    if foreign:
        raise ReleaseError(f"the wheel has what is not ours: {', '.join(sorted(foreign))}")
    with tarfile.open(archive) as opened_archive:
        files = len(opened_archive.getnames())
    return f"wheel {_size(wheel)} with {len(inside)} files, archive {_size(archive)} with {files}"


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"


def check_metadata(place: Place) -> str:
    """Check the metadata of both files, and that their README renders as an index would."""
    told = place.uv(*TWINE, "twine", "check", "--strict", *place.built)
    return f"{told.count('PASSED')} of {len(place.built)} files passed"


def render(place: Place) -> str:
    """Render the README; a heading, a table and a block of code have to be in it."""
    out = place.folder / "README.html"
    readme = ROOT / "README.md"
    place.uv(
        "tool", "run", "--from", "readme-renderer[md]", "python", "-m", "readme_renderer",
        readme, "-o", out,
    )  # fmt: skip
    page = out.read_text(encoding="utf-8")
    for part in ("<h1", "<table", "<pre"):
        if part not in page:
            raise ReleaseError(f"{out}: the rendered README has no {part}>")
    return f"{len(page) / 1e3:.0f} kB"


def install(place: Place) -> str:
    """Install the wheel with its own needs alone, and start it."""
    wheel = next(path for path in place.built if path.suffix == ".whl")
    place.uv("venv", "--quiet", "--python", place.python, place.folder / "env")
    python = place.programs / "python"
    place.uv(
        "pip", "install", "--quiet", "--python", python, "-c", ROOT / "constraints.txt", wheel
    )
    listed = place.run(place.programs / "autotransfer", "plugins")
    if "broken" in listed:
        raise ReleaseError(f"a plugin of the wheel is broken: {listed}")
    running = place.run(python, "--version").strip()
    return f"{place.run(place.programs / 'autotransfer', '--version').strip()} on {running}"


def demo(place: Place) -> str:
    """Run the demo in the new environment."""
    began = time.monotonic()
    told = place.run(place.programs / "autotransfer", "demo", "--out", place.folder / "demo")
    seconds = time.monotonic() - began
    if "verdict: positive" not in told:
        raise ReleaseError(f"the demo does not end with a positive verdict: {told[-2000:]}")
    if seconds > LONGEST_DEMO:
        raise ReleaseError(f"the demo took {seconds:.0f} s, more than {LONGEST_DEMO:.0f} s")
    return f"verdict: positive, {seconds:.0f} s"


STEPS: Mapping[str, Callable[[Place], str]] = {
    "version": agree,
    "build": build,
    "metadata": check_metadata,
    "readme": render,
    "install": install,
    "demo": demo,
}


def main() -> int:
    """Walk through the steps; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="install for this Python")
    parser.add_argument("--step", choices=STEPS, action="append", help="these alone, in order")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        place = Place(Path(folder), given.python)
        for name in given.step or STEPS:
            try:
                sys.stdout.write(f"{name:9} ok     {STEPS[name](place)}\n")
            except ReleaseError as error:
                sys.stdout.write(f"{name:9} FAILED {error}\n")
                return 1
            sys.stdout.flush()
    sys.stdout.write("by hand: see the release checklist in CONTRIBUTING.md\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
