"""The commands by which one goes on from a run on a cluster: the same again, and how it stands."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Iterator

_OPTIONS: dict[str, tuple[str, object]] = {
    "--profile": ("profile", "smoke"), "--data": ("data", None), "--pretrain-images": ("pretrain_images", []),
    "--only": ("recipes", []), "--add": ("add", []), "--tasks": ("tasks", []), "--seed": ("seed", 0),
    "--pretrain-seeds": ("pretrain_seeds", 1), "--set": ("overrides", []),
}  # fmt: skip
"""Options that decide which jobs are meant, where ``harness status`` takes them: their name, and what holds unsaid."""


def again(options: Namespace) -> str:
    """The command that was given, to stay."""
    return shlex.join(["harness", *(word for word in options.command if word != "--detach")])


def status(options: Namespace) -> str:
    """The command that shows the jobs that were asked for, and no others; the same again where no table has them."""
    return _about(options, "status") if options.tables else again(options)


def cancel(options: Namespace) -> str:
    """How to take them out of the queue; where no table has them only the whole store can be, which is said."""
    if options.tables:
        return f"To take it back: {_about(options, 'cancel')}"
    return f"To take it back, with all else of this store: {shlex.join(['harness', 'cancel', *_place(options)])}"


def selects(options: Namespace) -> bool:
    """Whether the command has an option that decides which jobs are meant, be its value the one that holds unsaid."""
    given = {word.partition("=")[0] for word in options.command}
    return not given.isdisjoint({*_OPTIONS, "--recipes"})


def _about(options: Namespace, command: str) -> str:
    return shlex.join(["harness", command, *options.tables, *_selection(options), *_place(options)])


def _place(options: Namespace) -> list[str]:
    """Where the jobs are."""
    return ["--cluster", str(options.cluster), "--store", str(options.store)]


def _selection(options: Namespace) -> Iterator[str]:
    for option, (name, usual) in _OPTIONS.items():
        value = getattr(options, name, usual)
        if value != usual:
            for each in value if isinstance(value, list) else [value]:
                yield from (option, str(each))
