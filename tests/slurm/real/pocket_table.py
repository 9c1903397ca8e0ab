"""Table 1 of the fake rooms, driven by ``harness run --cluster`` on a pocket cluster, and what must hold in the end."""

import json
import os

import yaml
from place import RUNS_HERE, Place

RECIPES = ("byol", "pixcon-sr", "random-init")
KINDS = ("prepare", "pretrain", "transfer", "import")
ACTIVE = ("squeue", "--noheader", "--array", "--format=%j %i %N")


class Table(Place):
    """A table in a folder of its own; several may be at work on one cluster.

    Args:
        cluster: a running ``PocketCluster``.
        folder: does not exist yet.
        resources: of every kind of job, besides the usual ones.
        profile: fields of the cluster profile.
    """

    def __init__(self, cluster, folder, resources=None, **profile):
        folder.mkdir()
        ours = {"FAKE_CONTROL": str(folder / "control"), "PYTHONPATH": RUNS_HERE, "CUDA_VISIBLE_DEVICES": ""}
        super().__init__(folder / "here", folder / "control", {**cluster.environment, **ours, "OMP_NUM_THREADS": "1"})
        self.cluster = cluster
        each = {"gpus": 0, "cpus": 1, "memory": "600M", "hours": 1.0, **(resources or {})}
        usual = {"description": "a pocket cluster", "partition": "requeue", "poll_seconds": 0.5}
        whole = {**usual, "kinds": dict.fromkeys(KINDS, each), **profile}
        (self.folder / "pocket.yaml").write_text(yaml.safe_dump(whole))

    def replace(self, program, script):
        """Let the harness find ``script`` where it looks for a program of Slurm."""
        folder = self.folder / "bin"
        folder.mkdir(exist_ok=True)
        (folder / program).write_text(script)
        (folder / program).chmod(0o755)
        self.environment["PATH"] = f"{folder}{os.pathsep}{self.environment['PATH']}"

    def run(self, *more):
        """``harness run`` on the cluster, as a process of its own."""
        return self.start("run", "1", "--cluster", "pocket.yaml", *more)

    def held(self, name, kind="pretrain", beginning=None):
        """Wait until a job that is held has come to its middle; the claim of its attempt."""
        beginning = beginning or f"{name}."
        self.cluster.wait_until(lambda: self._is_held(kind, beginning))
        return self.claim(kind, beginning)

    def claim(self, kind, beginning):
        """What the latest attempt at a job said of itself."""
        attempts = self.directory(kind, beginning) / "attempts"
        return json.loads(max(path for path in attempts.iterdir() if path.name.isdigit()).read_text())

    def starts(self, name):
        """The first step of each execution of a job."""
        return [step for each, _, step in self.executions() if each == name]

    def wait_for_starts(self, name, number):
        self.cluster.wait_until(lambda: len(self.starts(name)) >= number)

    def submissions(self):
        """What was handed to Slurm: the contents of every ``submission.json``."""
        files = sorted(self.store.glob(".slurm/hb-*/submission.json"))
        return [json.loads(file.read_text())["submission"] for file in files]

    def bad_nodes(self):
        """Nodes that are left out for what happened to a job there."""
        try:
            lines = (self.store / ".slurm" / "journal.jsonl").read_text().split("\n")
        except FileNotFoundError:
            return set()
        endings = [json.loads(line) for line in lines if line.endswith("}")]
        return {each["nodes"] for each in endings if each.get("outcome") == "node"}

    def records(self):
        return [json.loads(path.read_text()) for path in self.store.glob("*/*/record.json")]

    def active(self):
        """Lines of the queue that are ours."""
        ours = {each["token"] for each in self.submissions()}
        return [line for line in self.cluster.run(*ACTIVE).splitlines() if line.split()[0] in ours]

    def finish(self, process, runs=2):
        """Wait for ``harness run``; the table is complete and every job was done once. What it printed."""
        output, errors = process.communicate(timeout=240)
        assert process.returncode == 0, f"{output}\n{errors}\n{self.cluster.logs()}"
        self.check(runs)
        return output + errors

    def check(self, runs=2):
        """The table is complete, every job was done once, the queue holds nothing of it."""
        code, _, errors = self.harness("table", "1", "--out", "table.json", "--set", f"voc_detection.runs={runs}")
        assert code == 0, errors
        lines = json.loads((self.folder / "table.json").read_text())["rows"]
        cells = {(line["recipe"], cell["metric"]): cell["n"] for line in lines for cell in line["cells"]}
        wanted = {(recipe, metric): runs for recipe in RECIPES for metric in ("AP", "AP50", "AP75")}
        assert {place: n for place, n in cells.items() if n} == wanted
        transfers = [f"{recipe}.r{run}" for recipe in RECIPES for run in range(runs)]
        assert sorted(self.completions()) == sorted([*RECIPES, *transfers])
        assert [record["status"] for record in self.records()] == ["done"] * (len(RECIPES) + len(transfers))
        self.cluster.wait_until(lambda: self.active() == [])

    def _is_held(self, kind, beginning):
        try:
            checkpoint = self.directory(kind, beginning) / "checkpoint.json"
            return json.loads(checkpoint.read_text())[0] == 3  # of four steps
        except (OSError, ValueError):
            return False
