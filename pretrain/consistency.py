"""Whether a recipe's branches fit its batch, views and inputs. A light module; every check raises ``ValueError``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ground.config import Contradiction
from pretrain.branch_config import (
    AlignedTerm,
    Branch,
    Contrast,
    ObjectMasks,
    ObjectPairs,
    PixelContrast,
    SceneInstances,
    SemanticGrouping,
)
from pretrain.inputs import Correspondences, SelectiveSearch
from pretrain.view_config import OBJECTS, PROPOSALS, InstanceViews, ObjectPairViews, Spanning

if TYPE_CHECKING:
    from pretrain.config import PretrainConfig


def check(config: PretrainConfig) -> None:
    """Every branch, then what the views need.

    Raises:
        ValueError: naming the field.
    """
    if not config.initial:
        _statistics(config.train.batch, config.train.accumulate)
    if config.model.norm.kind == "shuffle":
        _shuffling(config.model.norm.group, config.train.batch // config.train.accumulate)
    for name, branch in config.model.branches.items():
        where = f"model.branches.{name}"
        _batch(where, branch, config)
        _directions(where, branch, config)
        _overlap(where, branch, config)
        if isinstance(branch, ObjectMasks):
            _masks(where, branch, config)
        if isinstance(branch, SceneInstances):
            _instances(where, branch, config)
        if isinstance(branch, ObjectPairs) and not isinstance(config.views.extra, ObjectPairViews):
            raise ValueError(f"{where} needs `views.extra.kind: object_pairs`: it reads its patches")
    patches = isinstance(config.views.extra, ObjectPairViews)
    if patches and not isinstance(config.inputs.get(OBJECTS), Correspondences):
        raise ValueError(f"views.extra needs `inputs.{OBJECTS}.kind: correspondences`: its patches are cut there")
    if isinstance(config.views.extra, InstanceViews):
        _regions(config)


def _batch(where: str, branch: Branch, config: PretrainConfig) -> None:
    """Queues and groups divide the batch."""
    batch = config.train.batch
    if isinstance(branch, Contrast) and branch.queue % batch:
        problem = f"{where}.queue {branch.queue} is not divisible by train.batch {batch}"
        raise Contradiction(problem, f"Take a multiple, e.g. {max(1, round(branch.queue / batch)) * batch}.")
    parts = config.train.accumulate
    micro = batch // parts
    if not isinstance(branch, PixelContrast | SemanticGrouping):
        return
    if micro > branch.group and micro % branch.group:
        problem = f"{where}.group {branch.group} does not divide the batch of {micro}"
        raise Contradiction(problem, f"Choose from: {_divisors(micro)}.")
    # A whole batch smaller than the group is one group, as small profiles have it. Its parts would be groups unasked.
    if parts > 1 and micro < branch.group and _weighs_by_group(branch):
        problem = f"{where}.group {branch.group} exceeds the {micro} images forwarded at once with train.accumulate"
        raise Contradiction(f"{problem} {parts}", f"Lower train.accumulate, or the group to at most {micro}.")


def _weighs_by_group(branch: PixelContrast | SemanticGrouping) -> bool:
    """Whether the loss depends on ``group``: where every cell counts alike, groups of any size have the same mean."""
    return isinstance(branch, SemanticGrouping) or branch.reweight is not None or branch.matcher.kind == "coordinate"


def _directions(where: str, branch: Branch, config: PretrainConfig) -> None:
    """A branch whose views are the same in one direction as in both has no single direction."""
    views = 2 + len(config.views.extra.sizes if config.views.extra else [])
    if not config.model.symmetric and branch.passes(False, views) == branch.passes(True, views):
        raise Contradiction(f"model.symmetric is false, and {where} needs both directions", "Allowed: true.")


def _statistics(batch: int, parts: int) -> None:
    """What is forwarded at once has batch statistics."""
    if batch // parts < 2:
        problem = f"train.batch {batch} with train.accumulate {parts} forwards one image at once"
        remedy = f"Take a batch of at least {2 * parts}: one image has no batch statistics."
        raise Contradiction(problem, remedy)


def _shuffling(group: int, images: int) -> None:
    """ShuffleBN's groups divide the images that are forwarded together."""
    if group < 2 or images % group:
        problem = f"model.norm.group {group} must be at least 2, as one image has no batch statistics, and divide "
        raise Contradiction(f"{problem}the batch of {images}", f"Choose from: {_divisors(images)}.")


def _divisors(images: int) -> str:
    return ", ".join(str(number) for number in range(2, images + 1) if images % number == 0)


def _overlap(where: str, branch: Branch, config: PretrainConfig) -> None:
    """What is read from the views' intersection needs views that meet."""
    if not config.views.min_overlap and (fields := _read_from_intersection(branch)):
        problem = f"{where}.{fields[0]} reads where the views meet, and views.min_overlap is 0"
        raise Contradiction(problem, "Set views.min_overlap above 0; released code has 0.01.")


def _read_from_intersection(branch: Branch) -> list[str]:
    """Fields of a branch that mean something only where the two views meet."""
    if isinstance(branch, PixelContrast):
        return ["reweight"] if branch.reweight else []
    if isinstance(branch, SemanticGrouping):
        return [f"terms.{at}" for at, term in enumerate(branch.terms) if isinstance(term, AlignedTerm) or term.reweight]
    return []


def _masks(where: str, branch: ObjectMasks, config: PretrainConfig) -> None:
    """Masks have a view with enough cells to be found in, and a whole batch to be contrasted with."""
    extra, clusters = config.views.extra, branch.discovery.clusters
    if not isinstance(extra, Spanning):
        raise ValueError(f"{where} needs `views.extra.kind: spanning`: its masks are found there")
    cells = (-(-extra.size // 32)) ** 2
    if clusters > cells:
        problem = f"{where}.discovery.clusters {clusters} exceeds the {cells} cells of views.extra.size {extra.size}"
        raise Contradiction(problem, "Lower the clusters or enlarge the view.")
    if config.model.norm.kind != "sync":
        raise ValueError(f"{where} needs `model.norm.kind: sync`: its discovery network is never shuffled")
    if config.train.accumulate > 1:
        raise ValueError(f"train.accumulate must be 1: {where} contrasts the masks of the whole batch")


def _instances(where: str, branch: SceneInstances, config: PretrainConfig) -> None:
    """There are as many instances as the branch joins, and what is compared has the same length."""
    extra = config.views.extra
    if not isinstance(extra, InstanceViews):
        raise ValueError(f"{where} needs `views.extra.kind: instances`: it reads its regions")
    if branch.instances != extra.count:
        problem = f"{where}.instances {branch.instances} is not views.extra.count {extra.count}"
        raise Contradiction(problem, "Give both the same.")
    if not config.model.symmetric:
        raise ValueError(f"{where} needs `model.symmetric: true`: it reads all views of both")


def _regions(config: PretrainConfig) -> None:
    """Regions that both crops show come from somewhere, and the crops meet."""
    if not isinstance(config.inputs.get(PROPOSALS), SelectiveSearch):
        raise ValueError(f"views.extra needs `inputs.{PROPOSALS}.kind: selective_search`: its regions come from there")
    if not config.views.min_overlap or config.views.fallback != "central":
        problem = "views.extra cuts regions that both crops show, and these crops need not meet"
        raise Contradiction(problem, "Set views.min_overlap above 0 and views.fallback to central.")
