"""``harness data check``: asks the audit about everything that tasks and recipes read, and says what it found."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ground.config import suggest
from ground.cores import usable
from ground.errors import ConfigError, DataError
from ground.files import write_json
from harness import data_report, profiles
from harness.profiles import Profile

if TYPE_CHECKING:
    from transfer.audit.run import Audit

MOST_WORKERS = 16


def check_data(options: Namespace) -> int:
    """What of the data below a root is of use for which task, and what to do about the rest; 1 if there are faults."""
    from transfer.data import check_root

    root, profile = Path(options.root), profiles.load(options.profile, options.overrides)
    check_root(root)
    from harness.display import reporter
    from transfer.audit.run import Wanted, audit
    from transfer.scenes import write

    generated = (root / write.DONE).is_file()
    folders = _folders(profile, root, options)
    wanted = Wanted(
        tasks=[profile.task(name) for name in _tasks(options.tasks)],
        folders=folders,
        generated=generated,
        full=options.full,
        strict=options.strict,
        workers=options.workers or min(usable(), MOST_WORKERS),
    )
    found = audit(root, wanted, _images(folders), reporter)
    if all(unit.absent for unit in found.units):
        looked_for = ", ".join(dict.fromkeys(unit.name.split("/")[0] for unit in found.units))
        raise DataError(root, f"holds none of what is asked for ({looked_for})", "Set the folder of the data sets.")
    wrong_scenes = _check_scenes(root) if generated else ""
    data_report.show(found, generated=generated, shown=None if options.all else data_report.SHOWN)
    if wrong_scenes:
        print(f"\ngenerated scenes: {wrong_scenes}")
    elif generated:
        print("\ngenerated scenes: pictures, boxes, masks and lists agree with what they were drawn from")
    if options.json:
        write_json(options.json, _as_json(found))
    return int(bool(wrong_scenes) or any(finding.grave for finding in found.findings))


def _tasks(asked: list[str]) -> list[str]:
    """The tasks asked for; all if none is."""
    known = profiles.task_names()
    names = [name.strip() for text in asked for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise ConfigError(f"task `{name}`", "unknown", suggest(name, known))
    return names or known


def _folders(profile: Profile, root: Path, options: Namespace) -> dict[str, list[Path]]:
    """Title → image folders to pre-train on: those given, else the recipes' data sets unless tasks are asked for."""
    from pretrain import data

    if options.pretrain_images:
        return {f"images of {folder}": [Path(folder)] for folder in options.pretrain_images}
    if options.tasks:
        return {}
    configs = [profile.recipe(name) for name in profiles.recipe_names()]
    return {f"pre-training on {each.data.upper()}": data.folders(each, root) for each in configs if not each.initial}


def _images(folders: Mapping[str, list[Path]]) -> dict[Path, list[Path]]:
    """Folder → its images, of the folders that are there."""
    from pretrain import data

    every = dict.fromkeys(folder for several in folders.values() for folder in several)
    return {folder: list(data.images(folder)) for folder in every if folder.is_dir()}


def _check_scenes(root: Path) -> str:
    """What generated scenes disagree in with what they were drawn from."""
    from harness.display import reporter
    from transfer.scenes.check import check

    try:
        with reporter(f"check {root}") as report:
            check(root, report)
    except DataError as error:
        return str(error)
    return ""


def _as_json(found: Audit) -> dict[str, Any]:
    """Everything that was found, for other programs."""
    return {
        "root": str(found.root.absolute()),
        "sets": [
            {
                "name": unit.name,
                "layout": unit.layout,
                "folder": str(unit.folder or ""),
                "images": len(unit.images),
                "decoded": unit.looked_into,
                "state": unit.state,
                "absent": unit.absent,
            }
            for unit in found.units
        ],
        "purposes": [{"name": each.title, "state": each.state} for each in found.purposes],
        "findings": [{**asdict(finding), "of": names} for finding, names in found.findings.items()],
    }
