"""Jobs run the code of the moment at which they were submitted."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import provenance, snapshot

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A working copy of our own, in a repository, and what runs in it: ``(revision, run)``."""
    source = tmp_path / "source"
    for room in ("ground", "harness"):
        (source / room).mkdir(parents=True)
        (source / room / "__init__.py").write_text("")
    for file in (
        "harness/allocation.py",
        "harness/provenance.py",
        "harness/snapshot.py",
        "ground/errors.py",
        "ground/files.py",
    ):
        (source / file).write_text((ROOT / file).read_text())
    (source / "harness" / "work.py").write_text("WORD = 'submitted'\n")
    (source / "harness" / "table.yaml").write_text("rows: []\n")
    return source


def commit(source):
    names = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (["init", "-q"], ["add", "."], [*names, "commit", "-qm", "one"]):
        subprocess.run(["git", "-C", str(source), *words], check=True)


def run(code, path, folder, **more):
    """What ``code`` prints with ``path`` on PYTHONPATH."""
    environment = {**os.environ, "PYTHONPATH": str(path), **more}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


TAKE = "from pathlib import Path; from harness import snapshot; print(snapshot.take(Path('STORE')).folder)"
SHOW = "from harness import work, provenance; print(work.WORD, provenance.code())"


def take(source, tmp_path):
    return Path(run(TAKE.replace("STORE", str(tmp_path / "runs")), source, tmp_path))


def job(folder, source):
    """What a job that runs from a snapshot, started in the working copy, sees."""
    script = f"import os; os.environ['PYTHONPATH'] = {str(source)!r}; from pathlib import Path; "
    script += "from harness.snapshot import Snapshot; print(Snapshot(Path(%r), '', '', False, '').environment())"
    told = eval(run(script % str(folder), source, source))
    assert told["PYTHONPATH"].split(os.pathsep) == [str(folder), str(source)]
    return run(SHOW, told["PYTHONPATH"], source, PYTHONSAFEPATH=told["PYTHONSAFEPATH"])


def test_a_file_that_is_half_edited_after_submission_does_not_reach_the_job(tree, tmp_path):
    commit(tree)
    folder = take(tree, tmp_path)
    (tree / "harness" / "work.py").write_text("WORD = 'half edi")
    (tree / "harness" / "table.yaml").unlink()
    word, _, code = job(folder, tree).partition(" ")
    assert word == "submitted"
    assert "'dirty': False" in code
    assert f"'snapshot': '{folder.name}'" in code
    assert (folder / "harness" / "table.yaml").read_text() == "rows: []\n"


def test_a_job_tells_the_revision_and_the_changes_of_the_moment_of_submission(tree, tmp_path):
    commit(tree)
    (tree / "harness" / "work.py").write_text("WORD = 'changed'\n")
    (tree / "harness" / "new.py").write_text("")
    inside = run("from harness import provenance; print(sorted(provenance.code().items()))", tree, tmp_path)
    folder = take(tree, tmp_path)
    commit(tree)
    seen = run("from harness import provenance; print(sorted(provenance.code().items()))", folder, tmp_path)
    assert "('dirty', True)" in inside
    assert "diff_sha256" in inside
    assert seen == inside.replace("]", f", ('snapshot', '{folder.name}')]")


def test_without_a_repository_there_is_a_snapshot_all_the_same(tree, tmp_path):
    folder = take(tree, tmp_path)
    assert job(folder, tree).startswith("submitted {'snapshot': ")
    assert (folder / "harness" / "work.py").exists()


def test_equal_code_is_kept_once_and_other_code_beside_it(tree, tmp_path):
    first = take(tree, tmp_path)
    assert take(tree, tmp_path) == first
    (tree / "harness" / "table.yaml").write_text("rows: [1]\n")
    second = take(tree, tmp_path)
    assert {path.name for path in (tmp_path / "runs" / ".code").iterdir()} == {first.name, second.name}
    (tree / "harness" / "table.yaml").write_text("rows: []\n")
    (first / "harness" / "work.py").write_text("WORD = 'edited in the snapshot'")
    assert take(tree, tmp_path) == first
    assert (first / "harness" / "work.py").read_text() == "WORD = 'submitted'\n"


def test_the_whole_of_our_code_is_in_it_wherever_it_is_imported_from(tmp_path):
    taken = snapshot.take(tmp_path)
    for file in ("pretrain/recipes/byol.yaml", "results/published.csv", "slurm/clusters/local.yaml", "harness/cli.py"):
        assert (taken.folder / file).read_bytes() == (ROOT / file).read_bytes()
    assert not list(taken.folder.rglob("*.pyc"))
    seen = run("import harness.cli, ground; print(ground.__file__)", taken.folder, tmp_path)
    assert Path(seen).is_relative_to(taken.folder)


def test_only_old_snapshots_that_nothing_names_are_swept(tree, tmp_path):
    first = take(tree, tmp_path)
    (tree / "harness" / "work.py").write_text("WORD = 'second'\n")
    second = take(tree, tmp_path)
    root, used = tmp_path / "runs", [f"{second}:/somewhere/else"]
    assert snapshot.sweep(root, used) == []
    for folder in (first, second):
        os.utime(folder, (time.time() - 1e7,) * 2)
    assert snapshot.sweep(root, used) == [first]
    assert [path.name for path in (root / ".code").iterdir()] == [second.name]


def test_a_change_and_a_new_file_of_a_room_change_the_hash_of_the_difference(tree):
    commit(tree)
    source, seen = tree / "harness" / "provenance.py", []
    assert "diff_sha256" not in provenance.code(source)
    for file, text in (("work.py", "1"), ("work.py", "2"), ("new.py", "1"), ("new.py", "2")):
        (tree / "harness" / file).write_text(text)
        seen.append(provenance.code(source)["diff_sha256"])
    assert len(set(seen)) == 4
    (tree / "runs").mkdir()
    (tree / "runs" / "curve.csv").write_text("step,loss\n")
    assert provenance.code(source)["diff_sha256"] == seen[-1]
