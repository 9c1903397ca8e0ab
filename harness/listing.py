"""What the commands that need no plan do: names, resolved settings, data."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import yaml

from ground.errors import DataError
from harness import profiles
from harness.profiles import Profile


def show(options: Namespace) -> int:
    """The settings of a recipe, a task or a profile as YAML, as the profile and ``--set`` leave them."""
    if options.what == "profile":
        profile = profiles.load(options.name, options.overrides)
        settings = profile.model_dump(mode="json")
    else:
        profile = profiles.load(options.profile, options.overrides)
        resolve = profile.recipe if options.what == "recipe" else profile.task
        settings = resolve(options.name).model_dump(mode="json")
    print(yaml.safe_dump(settings, sort_keys=False, width=120), end="")
    return 0


def make_scenes(options: Namespace) -> int:
    """Generate a profile's scenes into a folder."""
    from harness.display import reporter
    from transfer.scenes.write import write

    spec = profiles.load(options.profile, options.overrides).scene_spec()
    with reporter(f"generate {options.out}") as report:
        write(Path(options.out), spec, report)
    print(f"{options.out}: whole")
    return 0


def check_data(options: Namespace) -> int:
    """What of the data under a root can be used: one line for each recipe's images and each task."""
    from harness.display import reporter
    from transfer.scenes import write

    root, profile = Path(options.root), profiles.load(options.profile, options.overrides)
    if not root.is_dir():
        raise DataError(root, "no such folder", "Check the path.")
    faults = 0
    for title, fault in [*_images(profile, root), *_tasks(profile, root)]:
        print(f"{'ok  ' if not fault else 'no  '} {title}{': ' + fault if fault else ''}")
        faults += bool(fault)
    if options.full:
        faults += _decode_all(root)
    if (root / write.DONE).is_file():
        from transfer.scenes.check import check

        with reporter(f"check {root}") as report:
            check(root, report)
        print("ok   generated scenes: pictures, boxes, masks and lists agree")
    return int(bool(faults))


def _decode_all(root: Path) -> int:
    """Decode every image below ``root`` and print those that cannot be; their number."""
    from PIL import Image

    from harness.display import reporter
    from pretrain import data

    paths, faults = list(data.images(root)), 0
    with reporter(f"decode {root}") as report:
        for step, path in enumerate(paths, 1):
            try:
                with Image.open(path) as image:
                    image.load()
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                faults += 1
                print(f"no   {path}: {error}. Replace or delete it.")
            report(step, len(paths))
    print(f"{'no  ' if faults else 'ok  '} {len(paths) - faults} of {len(paths)} images decode")
    return faults


def _images(profile: Profile, root: Path) -> list[tuple[str, str]]:
    """Data set that a recipe learns from, and what is wrong with it."""
    from pretrain import data

    lines = {}
    for name in profiles.recipe_names():
        config = profile.recipe(name)
        try:
            number = data.check(data.folders(config, root))
            lines[config.data] = (f"images of {config.data} to pre-train on: {number}", "")
        except DataError as error:
            lines[config.data] = (f"images of {config.data} to pre-train on", str(error))
    return [lines[name] for name in sorted(lines)]


def _tasks(profile: Profile, root: Path) -> list[tuple[str, str]]:
    """Task, and what is wrong with its data."""
    from transfer import data

    lines = []
    for name in profiles.task_names():
        try:
            data.check(profile.task(name), root)
            lines.append((name, ""))
        except DataError as error:
            lines.append((name, str(error)))
    return lines
