import os
from pathlib import Path

from ground.config import validate
from transfer.config import TaskConfig


def names():
    """One task, and those a test writes into ``tasks`` of its control folder."""
    more = Path(os.environ["FAKE_CONTROL"], "tasks")
    return ["voc_detection", *(more.read_text().split() if more.exists() else [])]


def resolve(name, overrides):
    return validate(TaskConfig, {"name": name, **overrides}, f"task `{name}`")


def parse(settings, where):
    return validate(TaskConfig, settings, where)
