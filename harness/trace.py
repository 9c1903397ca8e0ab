"""What stands behind a cell: its runs, what they rest on, and whether all of it is still what the records say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ground.errors import UserError
from harness.curve import CURVE
from harness.jobs import Job
from harness.plan import Plan
from harness.provenance import signed
from harness.store import Look, Store, read_job
from harness.work import sha256


@dataclass(frozen=True)
class Step:
    """One run behind a cell."""

    job: Job
    look: Look
    directory: Path

    @property
    def done(self) -> bool:
        """Whether it is finished."""
        return self.look.state == "done"

    def told(self) -> dict[str, Any]:
        """All that is known of it, as plain data."""
        record = self.look.record or {}
        kept = ("metrics", "outputs", "timings", "host", "device", "versions", "code", "error")
        curves = self.directory / "curves"
        return {
            "kind": self.job.kind,
            "name": self.job.name,
            "state": self.look.state,
            "key": self.job.key,
            "seed": self.job.seed,
            "run": self.job.run,
            "recipe": self.job.recipe,
            "task": self.job.task,
            "input": self.job.input,
            "version": self.job.version,
            "settings": self.job.config,
            "data": self.job.data,
            "tool": record.get("tool", self.job.tool),
            "parents": {role: parent.name for role, parent in self.job.parents.items()},
            "directory": str(self.directory),
            "log": str(self.directory / "log.txt"),
            "curve": str(curves) if curves.is_dir() else None,
            **{name: record[name] for name in kept if name in record},
        }


def steps(plan: Plan, store: Store, jobs: Sequence[Job], looks: dict[str, Look]) -> tuple[list[Step], list[Step]]:
    """The runs of ``jobs``, and all that they rest on, each once, what has to be done first in front."""
    behind = {each.name: each for job in jobs for each in plan.behind(job)}

    def step(job: Job) -> Step:
        return Step(job, looks[job.name], store.directory(job))

    return [step(job) for job in jobs], [step(job) for job in behind.values()]


def faults(steps: Sequence[Step]) -> Iterator[str]:
    """What is not as recorded: numbers, settings, parents, hashes of outputs and losses, the data. Reads it all."""
    fingerprints: dict[tuple[str, str], str] = {}
    for step in steps:
        if not step.done or step.look.record is None:
            yield f"{step.directory}: is not finished ({step.look.state})"
            continue
        yield from _record_faults(step)
        curve = {CURVE: step.look.record["curve"]} if step.look.record.get("curve") else {}
        for name, expected in sorted((step.look.record["outputs"] | curve).items()):
            path = step.directory / name
            if not path.exists():
                yield f"{path}: is gone"
            elif (found := sha256(path)) != expected:
                yield f"{path}: has hash {found[:12]}, the record says {expected[:12]}"
        place = (step.job.kind if step.job.kind == "transfer" else "images", str(step.job.data))
        if place not in fingerprints:
            fingerprints[place] = _data_fault(step.job)
            if fingerprints[place]:
                yield fingerprints[place]


def _record_faults(step: Step) -> Iterator[str]:
    record = step.look.record or {}
    if record.get("digest", "") not in {"", signed(record)}:
        yield f"{step.directory / 'record.json'}: was edited after the run had written it"
    try:
        written = read_job(step.directory)
    except UserError as error:
        yield str(error)
        return
    if (written.key, written.config) != (step.job.key, step.job.config) and written.key != step.job.key:
        yield f"{step.directory / 'job.json'}: is of another job (key {written.key[:10]})"
    if record.get("config") != written.config:
        yield f"{step.directory / 'record.json'}: its settings are not those of job.json"
    keys = {role: parent.key for role, parent in step.job.parents.items()}
    if record.get("parents") != keys:
        yield f"{step.directory / 'record.json'}: rests on other runs than the plan says"


def _data_fault(job: Job) -> str:
    """What is wrong with a job's data, looked at anew."""
    expected = job.data["fingerprint"]
    try:
        if job.kind == "transfer":
            from transfer import data, tasks

            root = Path(job.data["root"])
            found = data.fingerprint(tasks.parse(job.config, job.name), root)
            where = root
        elif job.data["folders"]:
            from pretrain import data as images

            folders = [Path(folder) for folder in job.data["folders"]]
            found, where = images.fingerprint(folders), folders[0]
        else:
            return ""
    except UserError as error:
        return str(error)
    return "" if found == expected else f"{where}: the data have fingerprint {found[:12]}, not {expected[:12]}"
