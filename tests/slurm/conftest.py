"""A Slurm of small scripts on PATH, to be steered by tests."""

import json
import sys
from pathlib import Path

import pytest

COMMANDS = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "srun", "sinfo")
SCRIPT = """\
#!/bin/sh
echo "{command} $*" >> {state}/calls
[ -f {state}/{command}.instead ] && . {state}/{command}.instead
[ -f {state}/{command}.before ] && . {state}/{command}.before
{python} -S {fake} {command} "$@"
code=$?
[ -f {state}/{command}.after ] && . {state}/{command}.after
exit $code
"""


class FakeSlurm:
    """What the scripts do is said by shell in ``COMMAND.before``, ``.after`` and ``.instead``."""

    def __init__(self, state):
        self.state = state
        self.reset()

    def reset(self):
        for path in self.state.glob("*"):
            if path.is_file():
                path.unlink()
        (self.state / "jobs.json").write_text("[]")
        (self.state / "calls").touch()

    def steer(self, script, shell):
        """E.g. ``steer("squeue.instead", "echo no >&2; exit 1")``."""
        (self.state / script).write_text(shell)

    @property
    def jobs(self):
        return json.loads((self.state / "jobs.json").read_text())

    def change(self, identity, **values):
        """Set fields of a job (``100_1``) or of an array (``100``)."""
        jobs = self.jobs
        for job in jobs:
            if identity in {job["id"], job["id"].partition("_")[0]}:
                job.update(values)
        (self.state / "jobs.json").write_text(json.dumps(jobs))

    def calls(self, command):
        lines = (self.state / "calls").read_text().splitlines()
        return [line for line in lines if line.startswith(f"{command} ")]


@pytest.fixture
def fake(tmp_path, monkeypatch):
    state = tmp_path / "fake"
    (state / "bin").mkdir(parents=True)
    for command in COMMANDS:
        script = state / "bin" / command
        script.write_text(
            SCRIPT.format(
                state=state, command=command, python=sys.executable, fake=Path(__file__).with_name("fake_slurm.py")
            )
        )
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{state / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE_SLURM", str(state))
    return FakeSlurm(state)
