"""``harness figure``: runs what a figure lacks, has its numbers computed and has them drawn."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ground.errors import ConfigError
from harness import charts, commands, figure_images, profiles, status
from harness import plan as planning
from harness.jobs import Job
from harness.plan import Plan, Request
from harness.store import BACKBONE, Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

ATTENTION = ("mocov2plus", "slotcon", "orl", "pixcon-sim", "pixcon-coord", "pixcon-sr")
"""The models of the paper's Figure 1: PixCon's variants and three previous methods."""
MATCHES = "pixcon-sr"
PICTURES = {"1": 4, "2": 2}
WEAKEST = 5
SHARED = 0.25
"""Of the query view's cells, those that the key view shows at least."""
SNAPSHOTS = "pretrain.train.snapshot_epochs"
KEPT = 4
"""Snapshots after the untrained one, unless said."""


def show_figure(options: Namespace) -> int:
    """Draw one figure into ``out/`` or where ``--out`` says.

    Raises:
        ConfigError: something that does not go together, or a suffix that names no format.
        UserError: pictures, weights or runs that are of no use.
    """
    from results.figures import page

    stem = f"figure{options.name}" if options.name in FIGURES else options.name
    paths = options.out or [Path("out", f"{stem}.{suffix}") for suffix in ("png", "pdf", "json")]
    numbers = [path for path in paths if path.suffix == ".json"]
    drawings = [path for path in paths if path.suffix != ".json"]
    for path in drawings:
        page.format_of(path)  # before anything runs
    if options.name in FIGURES:
        options.cluster = options.cluster or "local"
        return FIGURES[options.name](options, drawings, numbers)
    if numbers and options.out:
        remedy = "harness table --format csv-long has a table's numbers."
        raise ConfigError(f"--out {numbers[0]}", "only figures 1 and 2 are written as numbers", remedy)
    with charts.chart(options.name, options) as drawn:
        _write(drawn, drawings)
    return 0


def attention(options: Namespace, drawings: list[Path], numbers: list[Path]) -> int:
    """Figure 1: self-attention maps (methods.md 14)."""
    from pretrain.inspect import network
    from transfer.weights.importing import imported

    wanted, wished = commands.request(options), figure_images.asked(options.images, options.pixels)
    # An untrained network may be looked at, too: that is what a figure is for.
    given = [_named_weights(text) for text in options.weights]
    others = {name: imported(path, untrained=True) for name, path in given}
    recipes = wanted.recipes or (() if others else ATTENTION)
    plan, code = _pretrained(wanted, recipes, options)
    done, store = _done(plan, Store(wanted.store), recipes), Store(wanted.store)
    files = {_title(plan, job): store.directory(job) / BACKBONE for job in done}
    nets = {name: network.from_file(path) for name, path in files.items()}
    nets |= {name: network.from_tensors(each.tensors, each.source) for name, each in others.items()}
    if not nets:
        return code or int(not options.detach)
    side = options.side or _side(plan, recipes)
    rows, said = _maps(figure_images.chosen(wished, plan, PICTURES["1"]), nets, side)
    from results.figures import attention as drawing

    with drawing.draw(rows, list(nets)) as drawn:
        _write(drawn, drawings)
    hashes = _hashes(files) | {name: each.file_sha256 for name, each in others.items()}
    _write_numbers(numbers, {"side": side, "weights": hashes, "pictures": said, **_provenance(plan)})
    return code


def _maps(
    marked: Sequence[figure_images.Marked], nets: Mapping[str, nn.Module], side: int
) -> tuple[list[Any], list[Any]]:
    """A row to draw for each marked picture, and what it rests on."""
    from pretrain.inspect import images, similarity
    from results.figures.attention import Row

    rows, said = [], []
    for each in marked:
        view, pixels = images.whole(each.path, side)
        size, maps, ranges = (pixels.shape[1], pixels.shape[0]), [], {}
        for name, net in nets.items():
            features = net(view)[0]
            cell = similarity.cell_of(each.pixel, size, (features.shape[1], features.shape[2]))
            alike = similarity.to_cell(features, cell)
            ranges[name] = {"least": float(alike.min()), "mean": float(alike.mean()), "cell": list(cell)}
            maps.append(similarity.stretched(similarity.smooth(alike, side)).numpy())
        rows.append(Row(pixels, each.pixel, tuple(maps)))
        said.append({"file": each.path.name, "pixel": list(each.pixel), "similarities": ranges})
    return rows, said


def matches(options: Namespace, drawings: list[Path], numbers: list[Path]) -> int:
    """Figure 2: the weakest matches in the box over a training (methods.md 14)."""
    wanted = commands.request(options)
    recipe = wanted.recipes[0] if wanted.recipes else MATCHES
    if len(wanted.recipes) > 1:
        raise ConfigError(f"--only {','.join(wanted.recipes)}", "Figure 2 shows one recipe", "Name one.")
    if profiles.load(wanted.profile, wanted.overrides).recipe(recipe).initial:
        raise ConfigError(f"--only {recipe}", "trains nothing, so it has no epochs", "Name another recipe.")
    wished = figure_images.asked(options.images, ())
    plan, code = _pretrained(keeping(wanted, recipe), (recipe,), options)
    done = _done(plan, Store(wanted.store), (recipe,))
    if not done:
        return code or int(not options.detach)
    from pretrain.inspect import images
    from results.figures import matches as drawing

    config = plan.profile.recipe(recipe)
    side, folder = options.side or images.side(config), Store(wanted.store).directory(done[0])
    nets = epochs(folder, config.train.epochs, options.epochs)
    blocks, said = [], []
    for each in figure_images.chosen(wished, plan, PICTURES["2"]):
        views = images.views(config, each.path, seed=options.draw, side=side, share=SHARED)
        block, words = matched(views, nets)
        blocks.append(block)
        said.append({"file": each.path.name, **words})
    with drawing.draw(blocks) as drawn:
        _write(drawn, drawings)
    _write_numbers(numbers, {"recipe": recipe, "side": side, "pictures": said, **_provenance(plan)})
    return code


def matched(views: Any, nets: dict[str, tuple[nn.Module, nn.Module]]) -> tuple[Any, dict[str, Any]]:
    """What to draw of one picture, and what it rests on: query by the student, key by the teacher, as in training."""
    from pretrain.inspect.similarity import matches as match
    from results.figures.matches import Block, Epoch, Line

    epochs, said, side = [], {}, views.shown[0].shape[0]
    for title, (student, teacher) in nets.items():
        found = match(student(views.inputs[:1])[0], teacher(views.inputs[1:])[0], views.in_box, WEAKEST)
        cell = side / len(views.in_box)

        def centre(at: tuple[int, int], cell: float = cell) -> tuple[float, float]:
            return (at[1] + 0.5) * cell, (at[0] + 0.5) * cell

        lines = tuple(Line(centre(pair.query), centre(pair.key), pair.similarity) for pair in found.weakest)
        epochs.append(Epoch(title, lines, found.similarities.numpy()))
        said[title] = [{"query": p.query, "key": p.key, "similarity": p.similarity} for p in found.weakest]
    query, key = views.shown
    block = Block(query, key, views.in_box.numpy(), tuple(epochs))
    return block, {"draw": views.draw, "crops": [vars(crop) for crop in views.crops], "weakest": said}


def keeping(wanted: Request, recipe: str) -> Request:
    """The request with snapshots, unless it says itself how many: five of a ResNet-50 take a gigabyte."""
    train = profiles.load(wanted.profile, wanted.overrides).recipe(recipe).train
    if train.snapshot_epochs:
        return wanted
    return replace(wanted, overrides=(*wanted.overrides, f"{SNAPSHOTS}={max(train.epochs // KEPT, 1)}"))


def epochs(folder: Path, last: int, asked: str | None) -> dict[str, tuple[nn.Module, nn.Module]]:
    """Title → (student, teacher) of the epochs that a run has kept; of its end alone if it kept none."""
    from pretrain.inspect import network
    from pretrain.training.export import SNAPSHOTS as HOME
    from pretrain.training.export import snapshot

    kept = sorted({int(path.name.split(".")[0].removeprefix("epoch-")) for path in (folder / HOME).glob("epoch-*")})
    if not kept and asked is None:
        remedy = "--rerun force trains it again and keeps them"
        print(f"{folder}: no snapshots were kept; the last epoch alone is shown ({remedy})", file=sys.stderr)
        path = folder / "checkpoint.pt"
        return {f"epoch {last}": tuple(network.from_checkpoint(path, net) for net in ("student", "teacher"))}  # type: ignore[dict-item]
    shown = kept
    if asked is not None:
        shown = [int(text) if text.strip().isdigit() else -1 for text in asked.split(",")]
        for epoch in shown:
            if epoch not in kept:
                there = ", ".join(map(str, kept)) or "none"
                remedy = f"Kept are: {there}. Others: --set {SNAPSHOTS}=N --rerun force."
                raise ConfigError(f"--epochs {asked}", "names an epoch that was not kept", remedy)
    return {
        f"epoch {epoch}": tuple(network.from_file(snapshot(folder, epoch, net)) for net in ("student", "teacher"))  # type: ignore[misc]
        for epoch in shown
    }


def _pretrained(wanted: Request, recipes: Sequence[str], options: Namespace) -> tuple[Plan, int]:
    """The plan of these pre-trainings, run as far as it goes, and the exit code."""
    if not recipes:
        return planning.pretrainings(wanted, ()), 0
    options.recipes = [",".join(recipes)]  # by which `status` shows them, for whoever does not stay
    return commands.bring(lambda: planning.pretrainings(wanted, recipes), options)


def _done(plan: Plan, store: Store, recipes: Sequence[str]) -> list[Job]:
    """The pre-trainings among ``recipes`` that are finished."""
    looks = status.survey(store, plan.jobs)
    jobs = [job for recipe in recipes for job in plan.jobs_of(recipe, None)]
    for job in jobs:
        if looks[job.name].state != "done":
            print(f"left out: {job.recipe}, whose pre-training is {looks[job.name].state}", file=sys.stderr)
    return [job for job in jobs if looks[job.name].state == "done"]


def _side(plan: Plan, recipes: Sequence[str]) -> int:
    from pretrain.inspect import images

    return images.side(plan.profile.recipe(recipes[0] if recipes else MATCHES))


def _title(plan: Plan, job: Job) -> str:
    """What the paper's tables call a recipe."""
    from results import layout

    stands = layout.rows(job.recipe or "")
    return stands[0][1].label if stands else plan.profile.recipe(job.recipe or "").title or job.recipe or ""


def _named_weights(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not equals or not name or not file:
        raise ConfigError(f"--weights {text}", "is not of the form NAME=FILE", "Write e.g. --weights DINO=dino.pth")
    if not Path(file).exists():
        raise ConfigError(f"--weights {text}", f"no file {file}", "Check the path.")
    return name, Path(file)


def _hashes(models: dict[str, Path]) -> dict[str, str]:
    from harness.work import sha256

    return {name: sha256(path) for name, path in models.items()}


def _provenance(plan: Plan) -> dict[str, str]:
    return {"profile": plan.label, "data": plan.source.words}


def _write(drawn: Figure, paths: list[Path]) -> None:
    from results.figures import page

    page.write(drawn, paths)
    for path in paths:
        print(path)


def _write_numbers(paths: list[Path], numbers: dict[str, Any]) -> None:
    from ground.files import write_json

    for path in paths:
        write_json(path, numbers)
        print(path)


FIGURES: dict[str, Callable[[Namespace, list[Path], list[Path]], int]] = {"1": attention, "2": matches}
