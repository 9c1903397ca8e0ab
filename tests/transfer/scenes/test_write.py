"""Writing is resumable, ends in the same bytes, and never touches what is not its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ground.errors import DataError
from ground.files import host
from ground.progress import silent
from transfer.scenes import write as writing
from transfer.scenes.check import check
from transfer.scenes.spec import Coco, SceneSpec
from transfer.scenes.write import load, write


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("images", [0, 5, 14, 27, 43])
def test_a_killed_generation_is_completed_to_the_same_bytes(scenes, spec, tmp_path, images):
    root = tmp_path / "set"
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from transfer.scenes.spec import SceneSpec\n"
        "from transfer.scenes.write import write\n"
        "def report(step, total, **numbers):\n"
        f"    if step == {images}: os.kill(os.getpid(), 9)\n"
        "write(Path(sys.argv[1]), SceneSpec.model_validate_json(sys.argv[2]), report)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(root), spec.model_dump_json()], check=False)
    assert killed.returncode == -9
    assert not (root / "scenes.json").exists()
    write(root, spec, silent)
    assert contents(root) == contents(scenes)


def test_how_many_processes_draw_changes_nothing(scenes, spec, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "FEW", 0)
    monkeypatch.setattr(writing, "usable", lambda: 2)
    write(tmp_path / "set", spec, silent)
    assert contents(tmp_path / "set") == contents(scenes)


@pytest.mark.parametrize("seconds", [1.0, 2.5])
def test_a_generation_killed_with_its_processes_is_completed_to_the_same_bytes(scenes, spec, tmp_path, seconds):
    root, program = tmp_path / "set", tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from transfer.scenes import write as writing\n"
        "from transfer.scenes.spec import SceneSpec\n"
        "if __name__ == '__main__':\n"
        "    writing.FEW, writing.usable = 0, lambda: 2\n"
        "    spec = SceneSpec.model_validate_json(sys.argv[2])\n"
        "    writing.write(Path(sys.argv[1]), spec, lambda *a, **n: None)\n"
    )
    process = subprocess.Popen([sys.executable, str(program), str(root), spec.model_dump_json()])
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    process.wait()
    write(root, spec, silent)
    deadline = time.monotonic() + 20  # its processes live a little longer, to the end of what they were at
    while any(root.rglob(".*.part")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert contents(root) == contents(scenes)


def test_good_files_are_kept_and_truncated_leftovers_are_not(scenes, spec, copy):
    os.rename(copy / "scenes.json", copy / "scenes.partial.json")
    kept = copy / "coco/train2017/000000000001.jpg"
    os.utime(kept, (1, 1))
    lost = [copy / "coco/train2017/000000000004.jpg", copy / "VOC2012/SegmentationClassAug/2012_000006.png"]
    for path in lost:
        path.unlink()
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    process = int(gone.stdout)
    (copy / f"VOC2007/JPEGImages/.000001.jpg.{host()}.{process}.part").write_bytes(b"\xff\xd8")
    others = [
        copy / f"VOC2007/JPEGImages/.000003.jpg.{at}.part" for at in (f"{host()}.{os.getppid()}", f"far.{process}")
    ]
    for other in others:
        other.write_bytes(b"\xff\xd8")
    write(copy, spec, silent)
    assert kept.stat().st_mtime == 1
    for other in others:
        assert other.exists(), "another writer's file, which is being written, here or on another machine"
        other.unlink()
    assert contents(copy) == contents(scenes)


def test_progress_counts_every_image(spec, tmp_path):
    steps = []
    small = spec.model_copy(update={"coco": Coco(train2017=1, val2017=0, unlabeled2017=0)})
    write(tmp_path / "set", small, lambda step, total, **numbers: steps.append((step, total)))
    assert steps == [(step, 26) for step in range(27)]


def test_a_whole_set_returns_at_once_without_heavy_imports(scenes, spec):
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from transfer.scenes.spec import SceneSpec\n"
        "from transfer.scenes.write import write\n"
        "write(Path(sys.argv[1]), SceneSpec.model_validate_json(sys.argv[2]), None)\n"
        "print(sorted({'numpy', 'torch', 'PIL', 'pandas'} & set(sys.modules)))\n"
    )
    arguments = [sys.executable, "-c", program, str(scenes), spec.model_dump_json()]
    assert subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_another_spec_is_refused_with_what_differs(copy, spec):
    before = contents(copy)
    other = spec.model_copy(update={"seed": 8})
    with pytest.raises(DataError, match=r"seed: 7 there, 8 asked for.*[Cc]hoose another folder or delete"):
        write(copy, other, silent)
    os.rename(copy / "scenes.json", copy / "scenes.partial.json")
    with pytest.raises(DataError, match="other settings"):
        write(copy, other, silent)
    assert contents(copy).items() - before.items() == {("scenes.partial.json", before["scenes.json"])}


def test_foreign_data_is_never_touched(tmp_path, spec):
    (tmp_path / "coco").mkdir()
    (tmp_path / "coco/mine.jpg").write_bytes(b"mine")
    with pytest.raises(DataError, match="not generated scenes"):
        write(tmp_path, spec, silent)
    assert contents(tmp_path) == {"coco/mine.jpg": b"mine"}
    with pytest.raises(DataError, match="not a folder"):
        write(tmp_path / "coco/mine.jpg", spec, silent)


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 99}'])
def test_a_broken_or_foreign_marker_is_refused(copy, spec, text):
    (copy / "scenes.json").write_text(text)
    for call in (lambda: write(copy, spec, silent), lambda: load(copy), lambda: check(copy, silent)):
        with pytest.raises(DataError, match=r"scenes\.json"):
            call()


def test_a_larger_set_begins_with_the_smaller_one(scenes, spec, tmp_path):
    counts = {"coco": Coco(train2017=14, val2017=4, unlabeled2017=3)}
    larger: SceneSpec = spec.model_copy(update=counts)
    write(tmp_path / "set", larger, silent)
    small, large = contents(scenes), contents(tmp_path / "set")
    changed = {name for name in small if small[name] != large[name]}
    assert changed == {"scenes.json", "coco/annotations/instances_train2017.json"}
