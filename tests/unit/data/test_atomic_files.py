"""Writing files and folders: whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import resource
import signal
import stat
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from autotransfer.data import atomic_files
from autotransfer.data.atomic_files import remove_abandoned, write_whole, written_whole

ROOT = Path(__file__).resolve().parents[3]
WRITES = re.compile(
    r"\.write_(text|bytes)\(|\bopen\([^)]*[\"'](w|a|x|r\+)|\bsave_file\(|\bnp\.savez?\("
    r"|(?<!safetensors\.)torch\.save\(|json\.dump\(|\.to_csv\(|\.to_parquet\(|copyfile\("
)
# Their files are for this process and those that it starts, in folders that end with them.
OF_A_PROCESS = {
    "autotransfer/selection/selection.py",
    "autotransfer/search/executors/image_spool.py",
}


def test_a_file_appears_at_the_end_and_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    for text in ("first", "second"):
        with written_whole(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
            assert path.exists() == (text == "second")
        assert path.read_text(encoding="utf-8") == text
        assert list(path.parent.iterdir()) == [path]


def test_after_an_error_the_old_file_stays_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")

    def stopped_halfway() -> None:
        with written_whole(path) as temporary:
            temporary.write_text("half", encoding="utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped_halfway()
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with written_whole(path) as temporary:
        temporary.mkdir()
        (temporary / "a").write_bytes(b"1")
        assert not path.exists()
    assert list(tmp_path.rglob("*")) == [path, path / "a"]


def test_a_folder_that_another_process_wrote_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "model"

    def overtaken() -> None:
        with written_whole(path) as temporary:
            for folder in (temporary, path):
                folder.mkdir()
                (folder / "a").write_text(folder.name, encoding="utf-8")

    with pytest.raises(OSError, match="model"):
        overtaken()
    assert (path / "a").read_text(encoding="utf-8") == "model"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_files_are_open_to_whom_the_umask_says(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with written_whole(tmp_path / "model") as temporary:
            temporary.mkdir()
            save_file({"a": torch.zeros(1)}, temporary / "a.safetensors")
        write_whole(tmp_path / "b.json", "{}")
    finally:
        assert os.umask(before) == umask
    for path in (tmp_path / "model" / "a.safetensors", tmp_path / "b.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_the_umask_of_the_process_is_never_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "umask", lambda _: pytest.fail("other threads make files meanwhile"))
    write_whole(tmp_path / "a.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_everything_is_on_the_disk_before_it_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[tuple[str, str]] = []
    sync, replace = atomic_files._sync, Path.replace

    def synced(path: Path) -> None:
        events.append(("sync", path.name))
        sync(path)

    def replaced(path: Path, target: Path) -> Path:
        events.append(("move", target.name))
        return replace(path, target)

    monkeypatch.setattr(atomic_files, "_sync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    with written_whole(tmp_path / "model") as temporary:
        (temporary / "inner").mkdir(parents=True)
        (temporary / "inner" / "a").touch()
        (temporary / "b").touch()
    kinds = [kind for kind, _ in events]
    assert {name for _, name in events[:2]} == {"a", "b"}
    assert kinds == ["sync"] * 3 + ["move", "sync"]
    assert events[-1] == ("sync", tmp_path.name)


def _no_room() -> None:
    """Let no file of this process grow beyond a thousand bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


def test_whatever_library_writes_a_file_without_room_raises_an_error_of_the_system(
    tmp_path: Path,
) -> None:
    process = os.fork()
    if not process:
        code = 1
        try:
            _no_room()
            with written_whole(tmp_path / "a.safetensors") as temporary:
                save_file({"a": torch.zeros(10_000)}, temporary)
        except OSError as error:
            code = 0 if "large" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_only_when_it_is_synced_loses_nothing_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, "old")

    def full(_path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic_files, "_sync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_behind_a_link_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "a.txt"
    link.symlink_to(tmp_path / "real" / "a.txt")
    for text in ("first", "second"):
        write_whole(link, text)
        assert link.is_symlink()
        assert (tmp_path / "real" / "a.txt").read_text(encoding="utf-8") == text


def test_a_pipe_is_written_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, "told")
    assert os.read(reading, 10) == b"told"
    os.close(reading)
    with pytest.raises(OSError, match="neither a file nor a folder"), written_whole(pipe):
        pass
    assert pipe.is_fifo()


def test_what_a_killed_process_was_writing_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    ours, theirs = tmp_path / f"{'0a' * 16}.tmp", tmp_path / "mine.tmp"
    folder, fresh = tmp_path / f"{'0b' * 16}.tmp", tmp_path / f"{'0c' * 16}.tmp"
    folder.mkdir()
    (folder / "a").touch()
    for path in (ours, theirs, fresh):
        path.touch()
    long_ago = time.time() - 1000
    for path in (ours, theirs, folder):
        os.utime(path, (long_ago, long_ago))
    remove_abandoned(tmp_path, "*", older_than=500)
    assert set(tmp_path.iterdir()) == {theirs, fresh}
    remove_abandoned(tmp_path, "*")
    assert set(tmp_path.iterdir()) == {theirs}


def test_every_file_that_outlives_its_process_is_written_whole() -> None:
    modules = [*(ROOT / "autotransfer").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    found = {
        str(path.relative_to(ROOT))
        for path in modules
        if WRITES.search(text := path.read_text(encoding="utf-8"))
        and "autotransfer.data.atomic_files" not in text
    }
    assert found - {"autotransfer/data/atomic_files.py"} == OF_A_PROCESS
