"""Files are whole or absent; fingerprints see names and sizes, not places."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from ground.errors import StorageError
from ground.files import atomic_path, make_folder, write_json, write_text
from ground.fingerprint import fingerprint


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    write_text(tmp_path / "a.txt", "old")

    def fail_halfway():
        with atomic_path(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_two_machines_with_one_process_number_write_beside_each_other(tmp_path, monkeypatch):
    seen = []
    for machine in ("node1.cluster", "node2.cluster"):
        monkeypatch.setattr(os, "uname", lambda machine=machine: SimpleNamespace(nodename=machine))
        with atomic_path(tmp_path / "a.txt") as temporary:
            temporary.write_text(machine)
            seen.append(temporary.name)
    assert seen == [f".a.txt.node{number}-cluster.{os.getpid()}.part" for number in (1, 2)]


def test_a_path_below_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        write_json(tmp_path / "file" / "below.json", {})


def test_a_folder_that_cannot_be_made_is_one_line_even_where_the_system_says_it_is_not_there():
    for write in (make_folder, lambda path: write_text(path, "")):
        with pytest.raises(StorageError, match=r"/proc/nope.*: no folder can be made there\. Choose another place"):
            write(Path("/proc/nope/below"))


def test_fingerprint_follows_names_sizes_and_contents_but_not_the_place(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "a.jpg").write_bytes(b"123")
    (home / "list.txt").write_bytes(b"one")

    def taken(root):
        return fingerprint(root, [root / "a.jpg"], [root / "list.txt"])

    first = taken(home)
    assert taken(shutil.copytree(home, tmp_path / "moved")) == first
    (home / "list.txt").write_bytes(b"two")
    second = taken(home)
    (home / "a.jpg").write_bytes(b"1234")
    assert len({first, second, taken(home)}) == 3
