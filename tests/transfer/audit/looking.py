"""An audit of a folder, and what it found."""

from contextlib import nullcontext

from ground.progress import silent
from transfer import tasks
from transfer.audit.run import Wanted, audit

TASKS = ("ade20k", "cityscapes", "coco_detection", "voc_detection", "voc_segmentation")


def unheard(title):
    return nullcontext(silent)


def look(root, names=TASKS, **options):
    folders = [root / "coco" / name for name in ("train2017", "unlabeled2017")]
    wanted = Wanted([tasks.resolve(name, {}) for name in names], {"COCO+": folders}, **options)
    return audit(root, wanted, {folder: sorted(folder.iterdir()) for folder in folders if folder.is_dir()}, unheard)


def states(found):
    return {purpose.title: purpose.state for purpose in found.purposes}


def of(found, kind):
    """The one finding of a kind, with the sets it concerns."""
    ((finding, names),) = [each for each in found.findings.items() if each[0].kind == kind]
    return finding, names
