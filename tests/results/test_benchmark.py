import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_benchmark_of_rendering_runs_and_imports_no_torch():
    command = [sys.executable, "benchmarks/rendering.py", "--records", "100"]
    finished = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    found = json.loads(finished.stdout)
    assert (found["records"], found["cells"]) == (100, 90)
    assert set(found["seconds"]) > {"read", "aggregate", "render text", "render html"}
    assert not found["machine"]["torch"]


def test_the_benchmark_of_the_command_goes_through_plan_store_and_table():
    command = [sys.executable, "benchmarks/table_command.py", "--seeds", "1"]
    finished = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    found = json.loads(finished.stdout)
    assert found["fine-tunings"] == 152
    assert [name.split()[0] for name in found["seconds"]] == ["plan", "read", "aggregate", "render"]
    assert not found["torch"]
