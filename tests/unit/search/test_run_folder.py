from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from autotransfer.errors import InvalidOptionError, StudyExistsError
from autotransfer.search.executors.image_spool import remove_spool, spool_folder
from autotransfer.search.run_folder import RunFolder, claim

HOLDING = """
import sys
from autotransfer.search.run_folder import claim
with claim("birds", None, None, None, resume=False, workspace=sys.argv[1]) as place:
    (place.folder / "trial").touch()
    print(place.name, flush=True)
    sys.stdin.read()
"""


def _claimed(workspace: Path, name: str | None = None, *, resume: bool = False) -> RunFolder:
    with claim("birds", name, None, None, resume=resume, workspace=workspace) as place:
        (place.folder / "trial").touch()
        return place


@contextmanager
def _fit_elsewhere(workspace: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-c", HOLDING, str(workspace)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def test_the_file_of_the_lock_is_gone_before_another_fit_can_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, left = FileLock.release, list[bool]()

    def released(lock: FileLock, *args: bool, **options: bool) -> None:
        left.append(Path(lock.lock_file).exists())
        release(lock, *args, **options)

    monkeypatch.setattr(FileLock, "release", released)
    _claimed(tmp_path)
    remove_spool(spool_folder(tmp_path / "cache"))
    assert left
    assert not any(left)


def test_fits_that_begin_at_once_get_names_of_their_own(tmp_path: Path) -> None:
    with ExitStack() as stack:
        places = [
            stack.enter_context(claim("birds", None, None, None, resume=False, workspace=tmp_path))
            for _ in range(3)
        ]
        assert [place.name for place in places] == ["birds-1", "birds-2", "birds-3"]


def test_a_running_fit_is_not_resumed_until_its_process_has_ended(tmp_path: Path) -> None:
    with _fit_elsewhere(tmp_path) as (process, name):
        assert name == "birds-1"
        with pytest.raises(StudyExistsError, match=r"another fit is running in .*birds-1.*--name"):
            _claimed(tmp_path, name, resume=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert _claimed(tmp_path, name, resume=True).name == name


def test_nothing_but_what_the_fit_wrote_is_left(tmp_path: Path) -> None:
    place = _claimed(tmp_path)
    assert [path.name for path in place.folder.iterdir()] == ["trial"]
    with claim("birds", "empty", None, None, resume=False, workspace=tmp_path):
        pass
    assert not (tmp_path / "empty").exists()


def test_an_existing_folder_is_only_taken_to_resume(tmp_path: Path) -> None:
    _claimed(tmp_path, "mine")
    with pytest.raises(StudyExistsError, match="--resume"):
        _claimed(tmp_path, "mine")
    assert _claimed(tmp_path, "mine", resume=True).folder == tmp_path / "mine"


def test_a_workspace_that_is_not_there_is_made(tmp_path: Path) -> None:
    with claim("t", None, tmp_path / "out", None, resume=False, workspace=tmp_path / "new/one"):
        assert (tmp_path / "new/one").is_dir()


def test_a_file_in_the_way_of_the_workspace_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InvalidOptionError, match=r"file cannot be written .*another --workspace"),
        claim("t", None, tmp_path / "out", None, resume=False, workspace=tmp_path / "file"),
    ):
        pass


@pytest.mark.parametrize("resume", [False, True])
def test_a_file_in_the_way_is_named(tmp_path: Path, *, resume: bool) -> None:
    (tmp_path / "file").touch()
    with pytest.raises((InvalidOptionError, StudyExistsError), match="file"):
        _claimed(tmp_path, "file", resume=resume)
    with pytest.raises(InvalidOptionError, match="cannot be written"):
        _claimed(tmp_path, "file/mine", resume=resume)
