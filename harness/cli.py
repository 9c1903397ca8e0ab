"""The command line. Imports nothing heavy; every fault of the user's is one line and an exit code of 2."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ground.config import suggest
from ground.errors import ConfigError, UserError
from harness.options import (
    CANCEL_WORDS,
    cancelling,
    drawing,
    forecasting,
    printing,
    reading,
    watching,
)
from harness.parsing import Parser, command, concurrency, naming_tables, on_settings, on_tables, placing, running
from harness.subcommands import bench_command, cluster_commands, data_commands, weights_commands

EPILOG = """\
examples:
  harness run 1                          run what Table 1 lacks, on generated scenes, at the scale `smoke`
  harness plan 1                         what that would run, and how long it would take
  harness plan 1 --cluster NAME --gpus 16    the same on a cluster: GPU-hours, and when it ends
  harness status 1 --watch               method × run, live, from another terminal
  harness table 1 --format latex         the table, from the runs that are finished
  harness run 1 --data /datasets --profile paper
  harness run 1 --only pixcon-sr,random-init --set pretrain.train.epochs=2
  harness run 1 --cluster NAME           the same on a Slurm cluster; stays until all is done, see docs/cluster.md
  harness status 1 --why                 of what is not done: why, and what comes next
  harness figure 1                       self-attention maps of the paper's methods
  harness evaluate --weights FILE --name MyMethod --tasks voc_detection,cityscapes
                                         a row of your own weights beside the paper's
  harness why "table1/PixCon-SR/AP"      what a number rests on
  harness report                         tables, figures, failures, provenance on one page
  harness recipes                        all recipes: rows, tables, sources, costs
  harness bench step --recipes pixcon-sr how fast a training step is on this machine
  harness weights inspect FILE           what a checkpoint of anyone's holds, and whether it would be taken

exit codes: 0 fine, 1 a job failed or lacks its data, 2 something to mend in what was asked, 130 stopped by Ctrl-C
"""
DRY_RUN_HELP = "with a Slurm cluster, print what would be submitted now; else print the plan. Changes nothing"
WHY_HELP = "what a cell rests on: runs, weights, settings, code, data, machine"


def main(arguments: Sequence[str] | None = None) -> int:
    """The console command ``harness``; returns the exit code."""
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        known = sorted(name for name in options.parser._option_string_actions if name.startswith("--"))
        wrong = unknown[0].partition("=")[0]
        parser.exit(2, f"harness: error: unknown argument `{wrong}`. {suggest(wrong, known)}\n")
    module, _, name = options.handler.partition(":")
    options.command = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _check_store(options)
        handler: Callable[[argparse.Namespace], int] = getattr(importlib.import_module(module), name)
        return handler(options)
    except UserError as error:
        print(f"harness: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"harness: stopped{getattr(options, 'stopped', '')}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _check_store(options: argparse.Namespace) -> None:
    """The run store, where a command has one, is a folder or can become one."""
    store = getattr(options, "store", None)
    if store is None:
        return
    nearest = next(folder for folder in (Path(store).absolute(), *Path(store).absolute().parents) if folder.exists())
    if not nearest.is_dir():
        raise ConfigError(f"--store {store}", f"{nearest} is no folder", "Name another place.")


def _parser() -> Parser:
    parser = Parser(
        prog="harness",
        description="Pre-train, fine-tune repeatedly, and print the tables beside the published values.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    settings, selection = on_settings(), on_tables()
    run = command(commands, "run", "harness.commands:run", "run what tables lack", settings, selection)
    running(run)
    run.add_argument("--dry-run", action="store_true", help=DRY_RUN_HELP)
    plan = command(commands, "plan", "harness.commands:show_plan", "what would run; runs nothing", settings, selection)
    concurrency(plan)
    forecasting(plan)
    evaluate = command(
        commands, "evaluate", "harness.evaluate:evaluate", "a row of your own weights", settings, _brought()
    )
    running(evaluate)
    status = command(
        commands, "status", "harness.cluster.showing:show_status", "method × run, and the queue", settings, selection
    )
    reading(status)
    watching(status)
    cancel = command(
        commands, "cancel", "harness.cluster.cancel:cancel", "take jobs out of a queue", settings, on_tables(False)
    )
    cancel.description = CANCEL_WORDS
    reading(cancel)
    cancelling(cancel)
    table = command(commands, "table", "harness.tabulate:show_table", "print a table", settings, selection)
    printing(table)
    reading(table)
    _report_command(commands, settings)
    _why_command(commands, settings)
    figure = command(commands, "figure", "harness.figures:show_figure", "draw a figure", settings, on_tables(False))
    drawing(figure)
    naming_tables(figure)
    running(figure)
    figure.set_defaults(cluster=None)  # of those that only show runs: where they ran
    data_commands(commands, settings)
    cluster_commands(commands)
    weights_commands(commands)
    _recipes_command(commands)
    bench_command(commands)
    show = command(commands, "show", "harness.listing:show", "resolved settings as YAML", settings)
    show.add_argument("what", choices=("recipe", "task", "profile"))
    show.add_argument("name", metavar="NAME")
    return parser


def _brought() -> Parser:
    """Options on somebody's weights."""
    parser = Parser(add_help=False)
    parser.add_argument("--weights", required=True, metavar="FILE", help="safetensors, .pth, .pkl, or a run's folder")
    parser.add_argument("--name", required=True, metavar="NAME", help="what tables, --only and --add call the row")
    parser.add_argument("--tasks", required=True, action="append", metavar="TASK,…", help="what to fine-tune it for")
    parser.add_argument("--format", metavar="NAME", help="whose layout the file has (default: as recognised)")
    parser.add_argument("--prefix", metavar="TEXT", help="what stands before the backbone's names in the file")
    parser.add_argument("--bgr", action="store_true", help="trained on BGR images: turn the first layer around")
    parser.add_argument("--untrained", action="store_true", help="admit batch norms at their initial values")
    parser.add_argument("--replace", action="store_true", help="put other weights of this name aside; deletes no run")
    parser.add_argument("--dry-run", action="store_true", help="check the file and print the plan; change nothing")
    placing(parser)
    return parser


def _report_command(commands: Any, settings: Parser) -> None:
    report = command(
        commands, "report", "harness.report:show_report", "everything on one HTML page", settings, on_tables(False)
    )
    reading(report)
    report.add_argument("tables", nargs="*", metavar="TABLE", help="e.g. 1 2 (default: all that have runs)")
    report.add_argument(
        "--out", type=Path, default=Path("out/report.html"), metavar="FILE", help="default: %(default)s"
    )


def _why_command(commands: Any, settings: Parser) -> None:
    why = command(commands, "why", "harness.why:show_why", WHY_HELP, settings, on_tables(False))
    reading(why)
    why.add_argument("cell", metavar="CELL", help='table/row/column, e.g. "table1/PixCon-SR/AP"')
    why.add_argument("--settings", action="store_true", help="print the resolved settings, too")
    why.add_argument("--json", action="store_true", help="all of it as JSON, settings and every output's hash included")
    why.add_argument("--verify", action="store_true", help="read outputs, weights and data again, and say what differs")


def _recipes_command(commands: Any) -> None:
    recipes = command(
        commands, "recipes", "harness.recipes:show_recipes", "list the ways to pre-train", on_settings("paper")
    )
    recipes.add_argument("action", nargs="?", choices=("show",), metavar="show", help="one recipe, whole: its")
    recipes.add_argument("name", nargs="?", metavar="NAME", help="settings as YAML, and its rows' published numbers")


if __name__ == "__main__":
    sys.exit(main())
