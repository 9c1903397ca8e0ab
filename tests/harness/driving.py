"""What several files of tests ask of a driver of the cluster, and what they leave for it."""

import json

from harness import claims
from harness.endings import End
from harness.store import Store

BYOL = "pretrain/byol.scenes.s0"


def state(driver):
    """State of the one job, and what is next."""
    (standing,) = driver.look().standings.values()
    return standing.state, standing.step.action


def why(driver):
    """What is said of the one job's state."""
    (standing,) = driver.look().standings.values()
    return standing.why


def passes(driver, slurm, number):
    """So many rounds of driver and cluster, and one of the driver's alone; what that one did."""
    for _ in range(number):
        driver.make()
        slurm.work()
    return driver.make()


def attempt(place, job, slurm, **end):
    """A start of a job that left its last word, and no record."""
    store = Store(place.store)
    claim = claims.acquire(store.directory(job) / "attempts")
    path = store.directory(job) / "attempts" / f"{claim.number:04d}"
    owner = json.loads(path.read_text())
    path.write_text(json.dumps({**owner, "slurm": slurm.calls[-1].id_of(0), "nodes": "n7"}))
    claim.end(End(**{"outcome": "stopped", "seconds": 1.0, **end}))
