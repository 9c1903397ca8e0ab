"""``harness evaluate``: somebody's weights become a row, fine-tuned with the seeds of every other row."""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from pathlib import Path

from ground.errors import ConfigError
from harness import commands, imports, status, tabulate
from harness import plan as planning
from harness.imports import Asked
from harness.jobs import Job
from harness.plan import Request
from harness.store import Store


def evaluate(options: Namespace) -> int:
    """Check the weights, bring them into the store under their name, fine-tune them, print their row.

    Raises:
        ConfigError: a name that is taken, an unknown task or setting.
        WeightsError: the file is broken or does not pass the gate.
    """
    from results.render import FORMATS
    from transfer.weights import imported

    path, store = Path(options.weights), Store(Path(options.store))
    imports.check_name(options.name, store)
    asked = Asked(format=options.format, prefix=options.prefix, untrained=options.untrained, bgr=options.bgr)
    found = imported(path, **asked.model_dump())
    job = imports.job(options.name, path, asked, found)
    for line in found.notes:
        print(f"note: {line}", file=sys.stderr)
    others = _others(store, job)
    if others and not options.replace:
        there = imports.Weights.model_validate(others[0].config).words
        problem = f"is in {options.store} with other weights: {there}"
        raise ConfigError(f"--name {job.recipe}", problem, "Choose another name, or put those aside: --replace.")
    wanted = _request(options, job)
    plan = planning.build(wanted)  # refuses what cannot be planned before anything is put aside
    for line in tabulate.brought(plan, plan.layouts[0]):
        print(line, file=sys.stderr)
    if options.dry_run:
        return commands.preview(wanted, options)
    for other in others:
        _put_aside(store, other)
    # What shows these jobs and no others, for whoever does not stay.
    options.tables, options.recipes = _numbers(options), [options.name]
    plan, code = commands.bring(lambda: planning.build(wanted), options)
    if code <= 1:
        built = tabulate.filled(plan, store, status.survey(store, plan.jobs))
        print("\n".join(map(FORMATS["text"], built)), end="")
        print(_where(options))
    return code


def _others(store: Store, job: Job) -> list[Job]:
    """Other weights in the store that have the name."""
    return [each for name, each in imports.known(store)[0].items() if name == job.recipe and each.key != job.key]


def _put_aside(store: Store, other: Job) -> None:
    """Take other weights out of the tables; their runs stay where they are."""
    if store.directory(other) in store.read_from():
        remedy = "Let its runs end, or stop them, and replace it then."
        raise ConfigError(f"--name {other.recipe}", f"{store.directory(other)} is in use", remedy)
    print(f"put aside: {store.set_aside(other)}", file=sys.stderr)


def _request(options: Namespace, job: Job) -> Request:
    return Request(
        tables=(),
        profile=options.profile,
        overrides=tuple(options.overrides),
        data=options.data,
        recipes=(options.name,),
        tasks=commands.names(options.tasks),
        store=Path(options.store),
        weights=job,
        gpus=commands.gpus(options),
    )


def _numbers(options: Namespace) -> list[str]:
    """The tables that have a column of the tasks."""
    from results import layout

    tasks = set(commands.names(options.tasks))
    return [name.removeprefix("table") for name in layout.names() if tasks & set(layout.load(name).tasks)]


def _where(options: Namespace) -> str:
    """Where the row stands beside the paper's."""
    given = {"--profile": options.profile, "--data": options.data, "--store": options.store}
    usual = {"--profile": "smoke", "--data": None, "--store": "runs"}
    words = [word for name, value in given.items() if value != usual[name] for word in (name, value)]
    more = "".join(f" {shlex.quote(word)}" for word in (*words, *(w for o in options.overrides for w in ("--set", o))))
    numbers = ", ".join(options.tables)
    return f"Beside the paper's: harness table N{more}, for N = {numbers}." if numbers else ""
