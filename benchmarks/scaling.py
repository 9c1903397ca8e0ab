"""From one GPU to 512: images/s and efficiency of a pre-training, simulated from one GPU's step.

Measures nothing: the one GPU's step is one that `harness bench step` left in benchmarks/results, or a guess.
"""

from __future__ import annotations

from typing import Any

from benchmarks.base import Options, Section
from harness import profiles, scaling, throughput
from harness.speed import Speed
from slurm.cluster import Cluster

GPUS = (1, 8, 64, 512)
PER_NODE = 8
PER_GPU = Cluster(description="").kinds.pretrain.cpus
COLUMNS = (
    "recipe", "GPUs", "images a step", "ms", "arithmetic", "batch norms", "gathers", "gradients", "loading",
    "images/s",
    "efficiency",
)  # fmt: skip
NAMES = ("pixcon-sr", "densecl", "slotcon")


def measure(options: Options) -> Section:
    """Each recipe with its own batch split among the GPUs, and with as many images on each GPU."""
    names = options.recipes or NAMES
    speed = Speed(profiles.load(options.profile), Cluster(description="DGX H100", gpus_per_node=PER_NODE))
    section = options.begin("scaling", "From one GPU to many, by simulation", COLUMNS)
    for name in names:
        section.rows += [_row(speed, name, gpus, None) for gpus in GPUS]
        section.rows += [_row(speed, name, gpus, 64 * gpus) for gpus in GPUS]
    links = Cluster(description="").links
    section.notes += [
        f"One GPU's step: {source}." for source in speed.basis()
    ] + [
        f"Nodes of {PER_NODE} GPUs, {links.gpu:.0f} GB/s a GPU within and {links.node:.0f} GB/s a node between; "
        "latencies and algorithms are NCCL's own model of itself.",
        "Milliseconds that arithmetic takes, and that a step waits for batch-norm statistics, for gathered keys, slots "
        "or shuffled images, for what of the gradients is not sent during the backward pass, and for images: "
        f"{PER_GPU} cores a GPU load {throughput.VIEWS_PER_CORE:.0f} views a second each.",
        "Efficiency: images/s of a GPU, in shares of one GPU's with the same batch (first rows of a recipe) or with as "
        "many images (its last rows). GPUs that wait for the slowest of them are not in it.",
    ]  # fmt: skip
    return section


def _row(speed: Speed, recipe: str, gpus: int, batch: int | None) -> dict[str, Any]:
    """``batch`` None: the recipe's own on all GPUs together."""
    several = speed.step(recipe, gpus, batch)
    one = speed.step(recipe, 1, batch and batch // gpus)
    milliseconds = (
        several.seconds,
        several.arithmetic,
        several.norms,
        several.gathers,
        several.gradients,
        several.loading,
    )
    return {
        "recipe": recipe, "GPUs": gpus, "images a step": several.batch,
        **dict(zip(COLUMNS[3:9], (f"{1e3 * each:.1f}" for each in milliseconds), strict=True)),
        "images/s": f"{several.images_per_second:.0f}", "efficiency": f"{scaling.efficiency(several, one):.1%}",
    }  # fmt: skip
