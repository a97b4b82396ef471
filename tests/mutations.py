"""Cut wires that a named test has to notice; `python tests/mutations.py` reports the others.

Each mutation of `mutations.toml` is made alone in a temporary copy of the repository, and the
tests that it names run there. Every one of them has to fail; a test that passes is a survivor.
They have to pass without any mutation, too: a test that always fails notices nothing.

The libraries are imported once, by a server of `multiprocessing` that each run is forked from.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_name("mutations.toml")
COPIED = ("autotransfer", "plugins", "search_spaces", "tests", "pyproject.toml")
IMPORT_ROOTS = (".", "plugins", "search_spaces")
PRELOADED = [
    "torch",
    "timm",
    "torchvision",
    "optuna",
    "pandas",
    "scipy.stats",
    "sklearn",
    "skimage",
]
PATIENCE = 600  # seconds for the tests of one mutation
FAREWELL = 10  # seconds for its process to end by itself

_stamps = itertools.count(int(time.time()) + 10, 10)


@dataclass(frozen=True)
class Mutation:
    """One change that has to be noticed.

    Args:
        name: What is broken, in one line.
        file: The file, from the root of the repository.
        old: Text that occurs exactly once in it.
        new: What takes its place.
        tests: Tests that fail then, as `file::function`.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """Return the text of the file with the mutation.

        Raises:
            ValueError: If the old text does not occur exactly once.
        """
        found = text.count(self.old)
        if found != 1:
            raise ValueError(
                f"{self.name}: the old text is {found} times in {self.file}, not once"
            )
        return text.replace(self.old, self.new)


def read_mutations(path: Path = LIST) -> tuple[Mutation, ...]:
    """Return the list."""
    listed = tomllib.loads(path.read_text(encoding="utf-8"))["mutation"]
    return tuple(Mutation(**{**entry, "tests": tuple(entry["tests"])}) for entry in listed)


def functions_of(path: Path) -> set[str]:
    """Return the names of the functions of a test file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@dataclass
class Report:
    """What became of the tests of one run, by name without parameters.

    Args:
        failed: Those that failed, in at least one case.
        error: Why they could not run; empty where they could.
    """

    failed: set[str] = field(default_factory=set)
    error: str = ""


class _Watcher:
    """A plugin of pytest that notes what became of each test."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def pytest_runtest_logreport(self, report: object) -> None:
        """Note one phase of one test."""
        if report.failed:  # type: ignore[attr-defined]
            self._report.failed.add(str(report.nodeid).split("[")[0])  # type: ignore[attr-defined]


def _run_here(folder: Path, tests: Sequence[str], log: Path, told: Connection) -> None:
    """Run tests in this process, which was forked for it, and tell what became of them."""
    with log.open("w", encoding="utf-8") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    roots = [str((folder / root).resolve()) for root in IMPORT_ROOTS]
    sys.path[:0] = roots
    os.environ["PYTHONPATH"] = os.pathsep.join(roots)
    os.chdir(folder)
    import pytest

    report = Report()
    options = ["-q", "-m", "", "-p", "no:cacheprovider", "-p", "no:xdist"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what was imported before
    code = int(pytest.main([*options, *tests], plugins=[_Watcher(report)]))
    origin = getattr(sys.modules.get("autotransfer"), "__file__", None) or "nowhere"
    if code not in (0, 1):
        report.error = f"pytest ended with the code {code}"
    elif not Path(origin).is_relative_to(folder.resolve()):
        report.error = f"autotransfer was imported from {origin}, not from the copy"
    told.send(report)


class Workbench:
    """A copy of the repository in which files are changed and tests run.

    Args:
        folder: Where the copy is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder.with_name("log.txt")
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)

    def run(self, tests: Sequence[str]) -> Report:
        """Return what became of the tests, in a process of their own."""
        heard, told = self._context.Pipe(duplex=False)
        arguments = (self.folder, tuple(tests), self.log, told)
        process = self._context.Process(target=_run_here, args=arguments)
        process.start()
        told.close()
        try:
            report = heard.recv() if heard.poll(PATIENCE) else Report(error="it took too long")
        except EOFError:
            report = Report(error="the process ended without a word")
        process.join(FAREWELL)
        process.kill()
        process.join()
        return report if isinstance(report, Report) else Report(error="no report came back")

    @contextmanager
    def mutated(self, mutation: Mutation) -> Iterator[None]:
        """Change the file for as long as it takes."""
        path = self.folder / mutation.file
        text = path.read_text(encoding="utf-8")
        self._write(path, mutation.applied(text))
        try:
            yield
        finally:
            self._write(path, text)

    def _write(self, path: Path, text: str) -> None:
        """Write a file with a time of its own, so that no compiled module of before is taken."""
        path.write_text(text, encoding="utf-8")
        stamp = next(_stamps)
        os.utime(path, (stamp, stamp))


@contextmanager
def workbench() -> Iterator[Workbench]:
    """Yield a copy of the repository in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="mutations-") as place:
        folder = Path(place) / "copy"
        for name in COPIED:
            copied = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            folder.mkdir(exist_ok=True)
            copied(ROOT / name, folder / name)
        yield Workbench(folder)


def verdict_on(bench: Workbench, mutation: Mutation) -> str:
    """Return what is wrong with a mutation; empty where every named test notices it."""
    try:
        with bench.mutated(mutation):
            report = bench.run(mutation.tests)
    except (ValueError, OSError) as error:
        return str(error)
    if report.error:
        return report.error
    passed = [test for test in mutation.tests if test not in report.failed]
    return f"SURVIVES {', '.join(passed)}" if passed else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the list; 1 where a mutation survives or cannot be applied."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", metavar="NAME", action="append", help="may be given repeatedly")
    parser.add_argument("--list", action="store_true", help="names and tests; runs nothing")
    chosen = parser.parse_args(arguments)
    wanted = chosen.only or [""]
    mutations = [m for m in read_mutations() if any(text in m.name for text in wanted)]
    if chosen.list:
        for mutation in mutations:
            print(mutation.name, *mutation.tests, sep="\n    ")  # noqa: T201
        return 0
    if not mutations:
        print(f"no mutation has a name with {wanted}")  # noqa: T201
        return 1
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    began = time.monotonic()
    with workbench() as bench:
        whole = bench.run(sorted({test for m in mutations for test in m.tests}))
        if whole.error or whole.failed:
            print(bench.log.read_text(encoding="utf-8"))  # noqa: T201
            print("without a mutation:", whole.error or f"{sorted(whole.failed)} fail")  # noqa: T201
            return 1
        faults = 0
        for mutation in mutations:
            before = time.monotonic()
            fault = verdict_on(bench, mutation)
            faults += bool(fault)
            seconds = time.monotonic() - before
            print(f"{seconds:5.1f} s  {mutation.name}: {fault or 'noticed'}", flush=True)  # noqa: T201
            if fault and chosen.only is not None and bench.log.is_file():
                print(bench.log.read_text(encoding="utf-8"))  # noqa: T201
    seconds = time.monotonic() - began
    print(f"{len(mutations) - faults} of {len(mutations)} noticed in {seconds:.0f} s")  # noqa: T201
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
