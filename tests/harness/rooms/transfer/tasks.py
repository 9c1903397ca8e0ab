from ground.config import validate
from transfer.config import TaskConfig


def names():
    return ["voc_detection"]


def resolve(name, overrides):
    return validate(TaskConfig, {"name": name, **overrides}, f"task `{name}`")


def parse(settings, where):
    return validate(TaskConfig, settings, where)
