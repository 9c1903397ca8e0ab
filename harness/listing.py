"""What the commands that need no plan do: resolved settings, generated scenes."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import yaml

from harness import profiles


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
