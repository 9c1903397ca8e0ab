"""detectron2's checkpoints, each whole or absent, and refused by a run that did not write them."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from detectron2.checkpoint import DetectionCheckpointer

from ground.errors import WeightsError
from ground.files import atomic_path, write_text

_REMEDY = "Delete the folder {} to start this run anew."


class Checkpointer(DetectionCheckpointer):
    """Writes beside and renames; a file that is broken or not this run's is an error that names it."""

    def save(self, name: str, **numbers: Any) -> None:
        """Replace ``name``.pth and point ``last_checkpoint`` to it; a kill leaves the state before or after.

        Raises:
            StorageError: the disk is full or not writable.
        """
        if not self.save_to_disk:
            return
        state = {"model": self.model.state_dict(), **numbers}
        state |= {key: part.state_dict() for key, part in self.checkpointables.items()}
        # Through memory: torch reports a full disk as a RuntimeError that names no cause.
        whole = io.BytesIO()
        torch.save(state, whole)
        with atomic_path(Path(self.save_dir, f"{name}.pth")) as temporary:
            temporary.write_bytes(whole.getbuffer())
        self.tag_last_checkpoint(f"{name}.pth")

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Name the file that a resumed run goes on from."""
        write_text(Path(self.save_dir, "last_checkpoint"), last_filename_basename)

    def keep_last(self) -> None:
        """Delete what earlier attempts and iterations left; the file that `last_checkpoint` names stays."""
        if self.save_to_disk:
            kept = {"last_checkpoint", Path(self.get_checkpoint_file()).name}
            for passed in (file for file in Path(self.save_dir).glob("*") if file.is_file() and file.name not in kept):
                passed.unlink()

    def load(self, path: str, *arguments: Any, **keywords: Any) -> dict[str, Any]:
        """What detectron2's does.

        Raises:
            WeightsError: the file is missing, broken or of another run.
        """
        remedy = _REMEDY.format(self.save_dir)
        if path and not zipfile.is_zipfile(path):
            raise WeightsError(path, "is no checkpoint of this run (it is missing, empty or cut short)", remedy)
        try:
            rest: dict[str, Any] = super().load(path, *arguments, **keywords)
        except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError, TypeError) as error:
            problem = f"is no checkpoint of this run ({' '.join(str(error).split())[:200]})"
            raise WeightsError(path, problem, remedy) from error
        return rest

    def _load_file(self, f: str) -> dict[str, Any]:
        """detectron2 would pass over a part that is not there, and so over whose checkpoint it is."""
        loaded: dict[str, Any] = super()._load_file(f)
        lacking = [name for name in self.checkpointables if name not in loaded]
        if lacking:
            raise ValueError(f"it has no part `{lacking[0]}`: another version wrote it")
        return loaded

    def _log_incompatible_keys(self, incompatible: Any) -> None:
        """A checkpoint of this run has every tensor and no other: detectron2 would warn and train on."""
        if incompatible.missing_keys or incompatible.unexpected_keys or incompatible.incorrect_shapes:
            raise ValueError("it is of another network")
