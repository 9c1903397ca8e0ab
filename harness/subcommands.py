"""Commands below commands, and `bench`: data, clusters, weights. Imports nothing heavy."""

from __future__ import annotations

from typing import Any

from harness.options import checking, describing, positive
from harness.parsing import Parser, command, on_settings

BENCH_WORDS = "measure how fast this machine is at it, beside the published code where that is at hand"
WEIGHTS_FORMATS = ("run", "slotcon", "pixpro", "mmselfsup", "moco", "openmmlab", "detectron2", "torchvision")
WEIGHTS_LAYOUTS = ("torchvision", "detectron2", "mmseg", "safetensors")


def data_commands(commands: Any, settings: Parser) -> None:
    """``data scenes`` and ``data check``."""
    data = commands.add_parser("data", help="generate scenes, check data sets", allow_abbrev=False)
    below = data.add_subparsers(metavar="COMMAND", required=True)
    scenes = command(below, "scenes", "harness.listing:make_scenes", "generate a profile's scenes", settings)
    scenes.add_argument("out", metavar="OUT", help="folder to write")
    check = command(
        below, "check", "harness.data_check:check_data", "what of the data below a root is usable", settings
    )
    checking(check)


def bench_command(commands: Any) -> None:
    """``bench``."""
    bench = command(commands, "bench", "benchmarks.command:bench", BENCH_WORDS, on_settings("paper"))
    bench.set_defaults(stopped="; nothing was measured until then")
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
        "--images",
        metavar="DIR",
        help="photographs for `feeding` and `input_pipeline` (default: pictures that they invent)",
    )
    bench.add_argument(
        "--out",
        default="out",
        metavar="DIR",
        help="folder of bench-<machine>.json and .md, -2 and so on beside what is there (default: out)",
    )


def cluster_commands(commands: Any) -> None:
    """``cluster init``, ``list`` and ``show``."""
    cluster = commands.add_parser("cluster", help="profiles of clusters: write, list, show", allow_abbrev=False)
    below = cluster.add_subparsers(metavar="COMMAND", required=True)
    init = command(below, "init", "harness.cluster_profiles:init", "write a profile of the Slurm you are on")
    describing(init)
    command(below, "list", "harness.cluster_profiles:show_list", "the profiles that --cluster takes by name")
    show = command(below, "show", "harness.cluster_profiles:show", "check a profile and print what holds")
    show.add_argument("name", metavar="NAME", help="by name, or the path of a YAML file")


def weights_commands(commands: Any) -> None:
    """``weights inspect``, ``import`` and ``export``."""
    words = "look into anyone's weights, import them, export them; nothing in a file is executed"
    weights = commands.add_parser("weights", help=words, description=words, allow_abbrev=False)
    below = weights.add_subparsers(metavar="COMMAND", required=True)
    taken = _taken_weights()
    inspect = command(below, "inspect", "harness.weights:inspect", "what a file holds; exit code 2 if refused", taken)
    inspect.add_argument("--json", action="store_true", help="as JSON")
    import_ = command(below, "import", "harness.weights:import_", "make a backbone.safetensors of a file", taken)
    import_.add_argument("out", metavar="OUT", help="file to write, .safetensors; says in its header whence it came")
    export = command(below, "export", "harness.weights:export", "write a backbone as another tool reads it", taken)
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
