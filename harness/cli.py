"""The command line. Imports nothing heavy; every fault of the user's is one line and an exit code of 2."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ground.config import suggest
from ground.errors import ConfigError, UserError
from harness.options import (
    CANCEL_WORDS,
    DEFAULT_TABLES,
    cancelling,
    checking,
    describing,
    detaching,
    drawing,
    forecasting,
    positive,
    printing,
    reading,
    watching,
)

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
SET_HELP = """\
change a setting, e.g. pretrain.train.epochs=2 (every recipe), byol.optim.lr=0.1 (one), transfer.threads=1 (every
task), voc_detection.schedule.base_lr=0.03 (one), scenes.seed=1; the more specific wins, a
profile's own values for one recipe included, which is said. What can change a result makes
other runs of the jobs that it concerns, and is shown on the table; what cannot (e.g. pretrain.train.workers) does not
"""
RERUN_HELP = """\
what to do about runs there are: missing runs what has no record, the interrupted included (default); retry also what
failed; force everything once more, earlier stages included; never nothing
"""
BENCH_WORDS = "measure how fast this machine is at it, beside the published code where that is at hand"
DRY_RUN_HELP = "with a Slurm cluster, print what would be submitted now; else print the plan. Changes nothing"
CLUSTER_HELP = """\
where jobs run: local (default), debug (in this process, one after the other), or a Slurm cluster's profile, by name or
by the path of a YAML file; see docs/cluster.md
"""
WHY_HELP = "what a cell rests on: runs, weights, settings, code, data, machine"
WEIGHTS_FORMATS = ("run", "slotcon", "pixpro", "mmselfsup", "moco", "openmmlab", "detectron2", "torchvision")
WEIGHTS_LAYOUTS = ("torchvision", "detectron2", "mmseg", "safetensors")


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors that name the nearest choice."""

    def error(self, message: str) -> NoReturn:
        """Print one line and leave with 2."""
        choice = re.search(r"invalid choice: '?(.*?)'? \(choose from (.*)\)", message)
        hint = f"see {self.prog} --help"
        if choice:
            message = message[: choice.start()] + f"unknown `{choice[1]}`"
            hint = suggest(choice[1], [each.strip(" '") for each in choice[2].split(",")])
        self.exit(2, f"harness: error: {message}. {hint}\n")


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
    settings, selection = _settings(), _selection()
    run = _command(commands, "run", "harness.commands:run", "run what tables lack", settings, selection)
    _running(run)
    run.add_argument("--dry-run", action="store_true", help=DRY_RUN_HELP)
    plan = _command(commands, "plan", "harness.commands:show_plan", "what would run; runs nothing", settings, selection)
    _concurrency(plan)
    forecasting(plan)
    evaluate = _command(
        commands, "evaluate", "harness.evaluate:evaluate", "a row of your own weights", settings, _brought()
    )
    _running(evaluate)
    status = _command(
        commands, "status", "harness.cluster.showing:show_status", "method × run, and the queue", settings, selection
    )
    reading(status)
    watching(status)
    cancel = _command(
        commands, "cancel", "harness.cluster.cancel:cancel", "take jobs out of a queue", settings, _selection(False)
    )
    cancel.description = CANCEL_WORDS
    reading(cancel)
    cancelling(cancel)
    table = _command(commands, "table", "harness.tabulate:show_table", "print a table", settings, selection)
    printing(table)
    reading(table)
    _report_command(commands, settings)
    _why_command(commands, settings)
    figure = _command(commands, "figure", "harness.figures:show_figure", "draw a figure", settings, _selection(False))
    drawing(figure)
    _tables(figure)
    _running(figure)
    figure.set_defaults(cluster=None)  # of those that only show runs: where they ran
    _data_commands(commands, settings)
    _cluster_commands(commands)
    _weights_commands(commands)
    _recipes_command(commands)
    _bench_command(commands)
    show = _command(commands, "show", "harness.listing:show", "resolved settings as YAML", settings)
    show.add_argument("what", choices=("recipe", "task", "profile"))
    show.add_argument("name", metavar="NAME")
    return parser


def _command(commands: Any, name: str, handler: str, words: str, *parents: Parser) -> Parser:
    parser: Parser = commands.add_parser(
        name, help=words, description=f"{words[0].upper()}{words[1:]}.", parents=parents, allow_abbrev=False
    )
    parser.set_defaults(handler=handler, parser=parser)
    return parser


def _settings(profile: str = "smoke") -> Parser:
    """Options that every command about settings has; ``profile`` is the scale unless said."""
    parser = Parser(add_help=False)
    parser.add_argument(
        "--profile",
        default=profile,
        metavar="NAME",
        help="scale: smoke, laptop, mini, paper, or a YAML file's path (default: %(default)s)",
    )
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="PATH=VALUE", help=SET_HELP)
    return parser


def _tables(parser: Parser) -> None:
    parser.add_argument(
        "tables", nargs="*", default=list(DEFAULT_TABLES), metavar="TABLE", help="e.g. 1 or table1 (default: 1)"
    )


def _selection(tables: bool = True) -> Parser:
    """Options that every command about tables has; ``tables``: the tables themselves first."""
    parser = Parser(add_help=False)
    if tables:
        _tables(parser)
    _places(parser)
    parser.add_argument(
        "--pretrain-images",
        action="append",
        default=[],
        metavar="DIR",
        help="pre-train on the images below this folder; may be given several times",
    )
    parser.add_argument(
        "--only",
        "--recipes",
        dest="recipes",
        action="append",
        default=[],
        metavar="RECIPE,…",
        help="only these recipes",
    )
    parser.add_argument(
        "--add",
        action="append",
        default=[],
        metavar="RECIPE,…",
        help="rows for these recipes, too, that the table does not have",
    )
    parser.add_argument("--tasks", action="append", default=[], metavar="TASK,…", help="only these tasks")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the pre-trainings (default: 0)")
    parser.add_argument(
        "--pretrain-seeds",
        type=positive,
        default=1,
        metavar="N",
        help="pre-trainings of each recipe, from --seed on; with several, ± is over them (default: 1)",
    )
    return parser


def _running(parser: Parser) -> None:
    parser.set_defaults(stopped="; run again to go on from here", gpus=None, begin=None, submissions=False)
    parser.add_argument("--rerun", choices=("missing", "retry", "force", "never"), default="missing", help=RERUN_HELP)
    _concurrency(parser)
    detaching(parser)


def _places(parser: Parser) -> None:
    """Where data are read and results kept."""
    parser.add_argument(
        "--data", metavar="ROOT", help="folder of the data sets (default: the profile's generated scenes)"
    )
    parser.add_argument("--store", default="runs", metavar="DIR", help="run store (default: runs)")


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
    _places(parser)
    return parser


def _concurrency(parser: Parser) -> None:
    parser.add_argument(
        "--workers", type=positive, metavar="N", help="jobs at once (default: one a GPU, else what the cores hold)"
    )
    parser.add_argument("--cluster", default="local", metavar="NAME", help=CLUSTER_HELP)


def _data_commands(commands: Any, settings: Parser) -> None:
    data = commands.add_parser("data", help="generate scenes, check data sets", allow_abbrev=False)
    below = data.add_subparsers(metavar="COMMAND", required=True)
    scenes = _command(below, "scenes", "harness.listing:make_scenes", "generate a profile's scenes", settings)
    scenes.add_argument("out", metavar="OUT", help="folder to write")
    _check_command(below, settings)


def _check_command(below: Any, settings: Parser) -> None:
    check = _command(
        below, "check", "harness.data_check:check_data", "what of the data below a root is usable", settings
    )
    checking(check)


def _report_command(commands: Any, settings: Parser) -> None:
    report = _command(
        commands, "report", "harness.report:show_report", "everything on one HTML page", settings, _selection(False)
    )
    reading(report)
    report.add_argument("tables", nargs="*", metavar="TABLE", help="e.g. 1 2 (default: all that have runs)")
    report.add_argument(
        "--out", type=Path, default=Path("out/report.html"), metavar="FILE", help="default: %(default)s"
    )


def _why_command(commands: Any, settings: Parser) -> None:
    why = _command(commands, "why", "harness.why:show_why", WHY_HELP, settings, _selection(False))
    reading(why)
    why.add_argument("cell", metavar="CELL", help='table/row/column, e.g. "table1/PixCon-SR/AP"')
    why.add_argument("--settings", action="store_true", help="print the resolved settings, too")
    why.add_argument("--json", action="store_true", help="all of it as JSON, settings and every output's hash included")
    why.add_argument("--verify", action="store_true", help="read outputs, weights and data again, and say what differs")


def _recipes_command(commands: Any) -> None:
    recipes = _command(
        commands, "recipes", "harness.recipes:show_recipes", "list the ways to pre-train", _settings("paper")
    )
    recipes.add_argument("action", nargs="?", choices=("show",), metavar="show", help="one recipe, whole: its")
    recipes.add_argument("name", nargs="?", metavar="NAME", help="settings as YAML, and its rows' published numbers")


def _bench_command(commands: Any) -> None:
    bench = _command(commands, "bench", "benchmarks.command:bench", BENCH_WORDS, _settings("paper"))
    bench.set_defaults(stopped="; what was measured until then is written")
    bench.add_argument("names", nargs="*", metavar="NAME", help="which (default: all; --list names them)")
    bench.add_argument("--list", action="store_true", help="what there is to measure; measures nothing")
    bench.add_argument(
        "--size", choices=("toy", "full"), default="full", help="toy: does it run? its numbers say nothing"
    )
    bench.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one"
    )
    bench.add_argument("--repeats", type=positive, default=5, metavar="N", help="repetitions (default: %(default)s)")
    bench.add_argument(
        "--seconds", type=positive, metavar="N", help="no third turn of a step after so long, e.g. on a lent machine"
    )
    bench.add_argument(
        "--recipes", action="append", default=[], metavar="RECIPE,…", help="only these training steps (default: all)"
    )
    bench.add_argument(
        "--batch", type=positive, action="append", default=[], metavar="N",
        help="images a step; may be given several times (default: 128 and 512 on a GPU, 8 on a CPU)",
    )  # fmt: skip
    bench.add_argument(
        "--official", metavar="DIR", help="folder with the published steps to measure beside: benchmarks/published.py"
    )
    bench.add_argument(
        "--images", metavar="DIR", help="photographs for `feeding` to read (default: pictures that it invents)"
    )
    bench.add_argument(
        "--out", default="out", metavar="DIR", help="folder of bench-<machine>.json and .md (default: out)"
    )


def _cluster_commands(commands: Any) -> None:
    cluster = commands.add_parser("cluster", help="profiles of clusters: write, list, show", allow_abbrev=False)
    below = cluster.add_subparsers(metavar="COMMAND", required=True)
    init = _command(below, "init", "harness.cluster_profiles:init", "write a profile of the Slurm you are on")
    describing(init)
    _command(below, "list", "harness.cluster_profiles:show_list", "the profiles that --cluster takes by name")
    show = _command(below, "show", "harness.cluster_profiles:show", "check a profile and print what holds")
    show.add_argument("name", metavar="NAME", help="by name, or the path of a YAML file")


def _weights_commands(commands: Any) -> None:
    words = "look into anyone's weights, import them, export them; nothing in a file is executed"
    weights = commands.add_parser("weights", help=words, description=words, allow_abbrev=False)
    below = weights.add_subparsers(metavar="COMMAND", required=True)
    taken = _taken_weights()
    inspect = _command(below, "inspect", "harness.weights:inspect", "what a file holds; exit code 2 if refused", taken)
    inspect.add_argument("--json", action="store_true", help="as JSON")
    import_ = _command(below, "import", "harness.weights:import_", "make a backbone.safetensors of a file", taken)
    import_.add_argument("out", metavar="OUT", help="file to write, .safetensors; says in its header whence it came")
    export = _command(below, "export", "harness.weights:export", "write a backbone as another tool reads it", taken)
    export.add_argument("out", metavar="OUT", help="file to write: .pth, .pkl for detectron2, .safetensors")
    export.add_argument("--to", required=True, choices=WEIGHTS_LAYOUTS, help="who is to read it")
    for parser in (import_, export):
        parser.add_argument("--force", action="store_true", help="write over a file that is there")


def _taken_weights() -> Parser:
    """Options that say which tensors of a file are meant."""
    parser = Parser(add_help=False)
    parser.add_argument(
        "file", metavar="FILE", help="a weights file, or the folder of a pre-training (runs/pretrain/…)"
    )
    parser.add_argument(
        "--format", choices=WEIGHTS_FORMATS, help="take it for this instead of what its keys say; of a student and a"
        " teacher, each takes the one that its authors transfer",
    )  # fmt: skip
    parser.add_argument(
        "--prefix", metavar="TEXT", help="what stands before the backbone's names, e.g. module.encoder_q."
    )
    parser.add_argument("--untrained", action="store_true", help="take batch norms at their initial statistics, too")
    parser.add_argument(
        "--bgr", action="store_true", help="trained on BGR images: turn the first layer's inputs around"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
