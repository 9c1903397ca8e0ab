"""Work on a recipe's images that is done once, before it: where objects may be, and which of them look alike."""

from __future__ import annotations

from pathlib import Path

from ground.progress import Report, silent
from pretrain.data import check, images
from pretrain.inputs import AnyInput, Correspondences, SelectiveSearch


def run(
    config: AnyInput,
    *,
    seed: int,
    inputs: dict[str, Path],
    folders: list[Path],
    out: Path,
    report: Report = silent,
) -> dict[str, float]:
    """Do the work and leave its one file in ``out``; called again on the same ``out`` it goes on where it stopped.

    Args:
        config: what is wanted.
        seed: decides what is drawn.
        inputs: run directories of the jobs that it rests on, by role.
        folders: image folders; their images are listed sorted, folder by folder, as the recipe lists them.
        out: the run's folder.
        report: told of every image.

    Returns:
        Numbers for the eye.

    Raises:
        UserError: unreadable images, settings that do not fit them, inputs that are gone.
    """
    check(folders)
    listed = [image for folder in folders for image in images(folder)]
    out.mkdir(parents=True, exist_ok=True)
    # Imported here, so that a recipe that reads what was found loads neither OpenCV nor what else only finding takes.
    match config:
        case SelectiveSearch():
            from pretrain.prepare import selective_search

            return selective_search.run(config, seed=seed, images=listed, out=out, report=report)
        case Correspondences():
            from pretrain.prepare import correspondences

            return correspondences.run(config, images=listed, inputs=inputs, out=out, report=report)
