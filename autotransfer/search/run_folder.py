"""Where a fit keeps its things: the study's name and the folder of the selection."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from autotransfer.data.atomic_files import remove_abandoned, written_whole
from autotransfer.errors import DataWarning, InvalidOptionError, StudyExistsError
from autotransfer.results import Outcome
from autotransfer.search.checkpoint import Checkpoint, write_checkpoint, write_json
from autotransfer.search.study import study_names

_TRIALS = "trials"
_VALIDATION = "validation"
_RUNNING = ".running"  # locked as long as a fit runs
_VALUE = "standing.json"  # written last: a folder without it is not whole
_KEPT = 3  # the predictors of the best trials stay; the others are deleted as better ones come


@dataclass(frozen=True)
class RunFolder:
    """The name of a fit and its folders."""

    name: str
    workspace: Path
    folder: Path

    def trial_folder(self, outcome: Outcome) -> Path:
        """Return where the predictor of a trial is kept."""
        return self.folder / _TRIALS / f"{outcome.number:05d}"

    def keep(
        self,
        outcome: Outcome,
        kept: Checkpoint,
        validation: NDArray[np.float64] | None = None,
        *,
        always: bool = False,
    ) -> None:
        """Write the predictor of a complete trial; only those of the best trials stay.

        A trial that is none of the best is not written at all. Where the disk is full the search
        goes on: the finalist is trained once more in any case.

        What all complete trials said of the validation items stays: the guard chooses again
        from it.

        Args:
            outcome: The trial.
            kept: Its predictor.
            validation: (n, K) what it said of the validation items.
            always: Whether it stays whatever comes.
        """
        folder = self.trial_folder(outcome)
        try:
            if validation is not None:
                path = self._validation_file(outcome)
                with written_whole(path) as temporary, temporary.open("wb") as stream:
                    np.save(stream, validation.astype(np.float32))
            better = [path for place, path in self._kept() if place <= _order(outcome)]
            if len(better) >= _KEPT and folder not in better and not always:
                return
            with written_whole(folder) as temporary:
                write_checkpoint(temporary, kept)
                if not always:
                    write_json(temporary / _VALUE, _order(outcome))
                shutil.rmtree(folder, ignore_errors=True)
        except OSError as error:
            warnings.warn(
                f"{outcome.title} could not be kept in {folder.parent} ({error}); its outcome is "
                "recorded, its checkpoint is lost",
                DataWarning,
                stacklevel=2,
            )
            return
        for _, path in self._kept()[_KEPT:]:
            shutil.rmtree(path, ignore_errors=True)

    def _kept(self) -> list[tuple[list[float], Path]]:
        """Return the order and folder of what is kept, the best first, then the earliest."""
        values = (self.folder / _TRIALS).glob(f"*/{_VALUE}")
        found = [
            (json.loads(path.read_text(encoding="utf-8")), path.parent)
            for path in values
            if path.parent.suffix != ".tmp"
        ]
        return sorted(found, key=lambda pair: (pair[0], pair[1].stat().st_mtime_ns))

    def validations(self, outcomes: Sequence[Outcome]) -> dict[int, NDArray[np.float64]]:
        """Return what complete trials said of the validation items, by number."""
        found = {}
        for outcome in outcomes:
            path = self._validation_file(outcome)
            if outcome.value is not None and path.is_file():
                found[outcome.number] = np.load(path, allow_pickle=False).astype(np.float64)
        return found

    def _validation_file(self, outcome: Outcome) -> Path:
        return self.folder / _VALIDATION / f"{outcome.number:05d}.npy"


def _order(outcome: Outcome) -> list[float]:
    """Return what outcomes are ordered by, the best first: score, log loss, number."""
    return [-(outcome.value or 0.0), outcome.log_loss or 0.0, abs(outcome.number)]


@contextmanager
def claim(
    target: str,
    name: str | None,
    out: str | Path | None,
    storage: str | None,
    *,
    resume: bool,
    workspace: str | Path | None = None,
) -> Iterator[RunFolder]:
    """Yield the place of a fit; a folder that stays empty is removed again.

    Args:
        target: Short name of the target.
        name: Name of the study; None is the name of the folder, or one made from the target.
        out: Folder of the selection; None is the name of the study in the workspace.
        storage: Optuna storage URL; None is SQLite in the workspace.
        resume: Whether the folder may exist.
        workspace: What belongs together; None is the working folder.

    Raises:
        StudyExistsError: If the folder exists and `resume` is off, or another fit runs in it.
        InvalidOptionError: If the folder cannot be made.
    """
    workspace = Path.cwd() if workspace is None else Path(workspace)
    _ensure_workspace(workspace)
    if resume and name is None and out is None:
        raise InvalidOptionError("--resume needs the --name of the study to continue")
    if name is None and out is None:
        name, folder = _free(target, storage, workspace)
    else:
        folder = workspace / str(name) if out is None else Path(out)
        name = folder.name if name is None else name
        if not _made(folder) and not resume:
            raise StudyExistsError(
                f"the folder {folder} exists already; choose another --out, or continue its "
                "study with --resume"
            )
    try:
        with _held(folder):
            remove_abandoned(folder, "**/*.tmp")
            yield RunFolder(name, workspace, folder)
    finally:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _free(target: str, storage: str | None, workspace: Path) -> tuple[str, Path]:
    """Return a name that no study has, and its new folder."""
    taken = set(study_names(storage=storage, workspace=workspace))
    names = (f"{target}-{number}" for number in count(1))
    name = next(name for name in names if name not in taken and _made(workspace / name))
    return name, workspace / name


def _ensure_workspace(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error, "--workspace") from error


def _made(folder: Path) -> bool:
    """Make the folder and return True; False where it exists already."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return False
    except OSError as error:
        raise _unwritable(folder, error) from error
    return True


def in_use(folder: Path) -> bool:
    """Return whether a fit is running in the folder."""
    if not (folder / _RUNNING).exists():
        return False
    try:
        with _held(folder):
            return False
    except (StudyExistsError, InvalidOptionError):
        return True


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep other fits out of the folder; the lock ends with the process, however it ends."""
    lock = FileLock(folder / _RUNNING, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise StudyExistsError(
            f"another fit is running in {folder}; wait for its end, or choose another --name"
        ) from None
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        yield
    finally:
        with suppress(OSError):  # before the release: later it may be the lock of another fit
            (folder / _RUNNING).unlink(missing_ok=True)
        lock.release()


def _unwritable(folder: Path, error: OSError, option: str = "--out") -> InvalidOptionError:
    reason = error.strerror or error
    return InvalidOptionError(
        f"the folder {folder} cannot be written ({reason}); choose another {option}"
    )
