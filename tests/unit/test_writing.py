"""A file is there whole or not at all."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
import torch
from limits import files_at_most

from lineage.errors import UserError
from lineage.storage.atomic import alone_in, written_whole
from lineage.storage.hdf5 import Weights, write_weights


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "folder" / "file.txt"
    path.parent.mkdir()
    path.write_text("earlier")
    return path


def listing(path):
    return sorted(entry.name for entry in path.parent.iterdir())


def test_the_file_appears_when_the_body_has_ended(target):
    with written_whole(target) as part:
        part.write_text("new")
        assert target.read_text() == "earlier"
        number = part.stat().st_ino
    assert target.read_text() == "new"
    assert target.stat().st_ino == number, "copied, so that a reader may see a part of it"
    assert listing(target) == ["file.txt"]


def test_missing_folders_are_made(tmp_path):
    with written_whole(tmp_path / "a" / "b" / "c.txt") as part:
        part.write_text("new")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, UserError])
def test_a_body_that_raises_leaves_the_earlier_file_and_no_litter(target, error):
    def write_half():
        with written_whole(target) as part:
            part.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert target.read_text() == "earlier"
    assert listing(target) == ["file.txt"]


def test_a_leftover_of_a_killed_writer_is_overwritten(target):
    with written_whole(target) as part:
        name = part.name
        part.write_text("x")
    target.with_name(name).write_text("a long leftover of a killed job")
    with written_whole(target) as part:
        part.write_text("new")
    assert target.read_text() == "new"
    assert listing(target) == ["file.txt"]


def test_a_second_writer_is_refused_and_leaves_the_first_ones_half_alone(target):
    other = (
        f"from lineage.storage.atomic import written_whole\nwith written_whole({str(target)!r}) as part:\n"
        "    part.write_text('b')"
    )
    with written_whole(target) as part:
        part.write_text("a" * 1000)
        ended = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 1
        assert "another process is writing it" in ended.stderr.splitlines()[-1]
        assert part.read_text() == "a" * 1000
    assert target.read_text() == "a" * 1000


@pytest.mark.parametrize("answer", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_will_do(target, monkeypatch, answer):
    def refuse(*_):
        raise OSError(answer, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with written_whole(target) as part:
        part.write_text("new")
    assert target.read_text() == "new"
    with alone_in(target.parent):
        pass


def test_another_answer_than_that_there_are_no_locks_is_an_error(target, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="broken"), alone_in(target.parent):
        pass


def test_hdf5_is_read_although_the_file_system_would_refuse_a_lock(tmp_path):
    path = tmp_path / "weights.h5"
    write_weights(path, [({"id": "a"}, {"x": torch.ones(2)})])
    with path.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # HDF5's own lock on opening now fails, as on a mount without locks
        with pytest.raises(OSError, match="lock"):
            h5py.File(path, "r", locking=True)
        assert Weights([path])("a")["x"].tolist() == [1, 1]


def test_a_full_disk_is_told_in_one_line(target):
    with pytest.raises(UserError, match="space") as caught, written_whole(target):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(caught.value).startswith(f"{target}: could not be written")
    assert "\n" not in str(caught.value)


def test_a_real_limit_of_the_file_system_is_told_and_leaves_the_earlier_file(target):
    with pytest.raises(UserError, match=r"file\.txt: .*too large"):
        with files_at_most(100), written_whole(target) as part:
            part.write_bytes(bytes(1000))
    assert target.read_text() == "earlier"
    assert listing(target) == ["file.txt"]


def test_a_file_in_the_place_of_a_folder_is_told(target):
    with (
        pytest.raises(UserError, match=r"inner\.txt: could not be written"),
        written_whole(target / "inner.txt"),
    ):
        pass
    assert target.read_text() == "earlier"


def test_a_pipe_stays_one_and_gets_the_whole(tmp_path):
    os.mkfifo(pipe := tmp_path / "pipe")
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        with written_whole(pipe) as part:
            part.write_text("new")
        assert reader.communicate(timeout=10)[0] == "new"
    assert pipe.is_fifo()
    assert listing(pipe) == ["pipe"]


def test_an_open_file_is_written_by_its_number(tmp_path):
    with (tmp_path / "log").open("w") as log:
        log.write("earlier, ")
        log.flush()
        with written_whole(f"/dev/fd/{log.fileno()}") as part:
            part.write_text("new")
    assert (tmp_path / "log").read_text() == "earlier, new"


def test_a_device_is_no_file_to_be_replaced():
    before = Path(os.devnull).stat()
    with written_whole(os.devnull) as part:
        assert part.parent != Path(os.devnull).parent, "a file in its place"
        part.write_text("new")
    assert Path(os.devnull).stat().st_ino == before.st_ino
