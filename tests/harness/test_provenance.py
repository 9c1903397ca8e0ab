"""What a record says of where its numbers came from."""

import subprocess
import sys
from types import SimpleNamespace

from harness import provenance


def git(folder, *arguments):
    names = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    return subprocess.run(
        ["git", "-C", str(folder), *names, *arguments], check=True, capture_output=True, text=True
    ).stdout


def test_code_is_the_revision_and_whether_it_was_changed(tmp_path):
    source = tmp_path / "source.py"
    source.write_text("one = 1\n")
    git(tmp_path, "init")
    assert provenance.code(source) == {}
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    revision = git(tmp_path, "rev-parse", "HEAD").strip()
    assert provenance.code(source) == {"revision": revision, "dirty": False}
    source.write_text("one = 2\n")
    changed = provenance.code(source)
    assert (changed["revision"], changed["dirty"], len(changed["diff_sha256"])) == (revision, True, 64)


def test_a_machine_without_git_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.code() == {}


def test_versions_and_host_are_filled():
    found = provenance.versions()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"torch", "numpy"} <= set(found)
    host = provenance.host()
    assert host["cores"] >= 1
    assert host["cpu"]


def test_the_device_is_the_cpu_until_a_gpu_was_used():
    assert provenance.device(1) == "cpu, 1 thread"
    assert provenance.device(4) == "cpu, 4 threads"


def test_under_slurm_the_host_says_which_job_and_which_nodes(monkeypatch):
    assert "slurm" not in provenance.host()
    for name, value in {"JOB_ID": "9", "ARRAY_JOB_ID": "7", "ARRAY_TASK_ID": "3", "JOB_NODELIST": "gpu[01-02]"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("SLURMD_NODENAME", "gpu01")
    host = provenance.host()
    assert (host["slurm"], host["node"], host["nodes"], host["restart"]) == ("7_3", "gpu01", "gpu[01-02]", 0)


def test_packages_that_bring_recipes_are_told_with_their_version(monkeypatch):
    point = SimpleNamespace(dist=SimpleNamespace(name="mylab", version="1.2"))
    monkeypatch.setattr(provenance, "entry_points", lambda group: [point] if group == "harness.recipes" else [])
    assert provenance.versions()["mylab"] == "1.2"
