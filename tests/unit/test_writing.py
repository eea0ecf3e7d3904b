"""A file is there whole or not at all."""

import errno

import pytest
from limits import files_at_most

from lineage.errors import UserError
from lineage.writing import written_whole


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
