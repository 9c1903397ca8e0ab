"""mmengine's runner with checkpoints that are whole, hold no pickled objects and belong to one run."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import master_only
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import LOOPS, OPTIM_WRAPPERS
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import nn

from ground.errors import WeightsError
from ground.files import atomic_path

REMEDY = "Delete the file to start this run anew."


@LOOPS.register_module()
class PlacedTrainLoop(IterBasedTrainLoop):
    """mmengine's loop, which on resuming reads every batch again that was trained on: here the sampler knows them."""

    def run(self) -> nn.Module:
        """Train from the iteration that the checkpoint has left."""
        self.dataloader.sampler.start = self._iter
        self.dataloader_iterator = chain(repeat(None, self._iter), iter(self.dataloader))
        try:
            trained: nn.Module = super().run()
        finally:
            self.dataloader_iterator = chain()  # readers end with what they read for
        return trained


@OPTIM_WRAPPERS.register_module()
class Bf16OptimWrapper(OptimWrapper):
    """The forward pass in bfloat16, on any device and without a scaler, of which bfloat16 has no need."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Around the forward pass."""
        kind = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(kind, torch.bfloat16):
            yield


class _NoPictures:
    """In place of mmengine's ``Visualizer``, which loads matplotlib; curves are `hooks.Tell`'s."""

    dataset_meta: Any = None

    def add_config(self, config: Any) -> None:
        """mmengine writes its config itself."""

    def add_scalars(self, scalars: Any, **_where: Any) -> None:
        """mmengine's log has them."""

    def close(self) -> None:
        """Nothing is open."""


class TaskRunner(Runner):
    """Runs one task on one device. Its config's ``run`` says which: ``device``, ``channels_last``, ``checkpoint``."""

    def build_logger(self, *arguments: Any, **keywords: Any) -> MMLogger:
        """mmengine's logger, which writes into its file alone."""
        logger = super().build_logger(*arguments, **keywords)
        logger.handlers = [handler for handler in logger.handlers if hasattr(handler, "baseFilename")]
        return logger

    def build_visualizer(self, visualizer: Any = None) -> _NoPictures:
        """Nothing is drawn."""
        return _NoPictures()

    def wrap_model(self, _settings: Any, model: nn.Module) -> nn.Module:
        """The model on its device; distributed over the processes, if there are several."""
        device = torch.device(self.cfg.run.device)
        memory = torch.channels_last if self.cfg.run.channels_last else torch.contiguous_format
        model = model.to(device).to(memory_format=memory)  # type: ignore[call-overload]
        if not self.distributed:
            return model
        alone = [device] if device.type == "cuda" else None
        wrapped: nn.Module = MMDistributedDataParallel(module=model, device_ids=alone, broadcast_buffers=False)
        return wrapped

    @master_only  # type: ignore[untyped-decorator]
    def save_checkpoint(self, out_dir: str, filename: str, *arguments: Any, **keywords: Any) -> None:
        """Replace the checkpoint; a kill leaves the old one or the new.

        Raises:
            StorageError: the disk is full or not writable.
        """
        with atomic_path(Path(self.cfg.run.checkpoint)) as temporary:
            super().save_checkpoint(str(temporary.parent), temporary.name, *arguments, **keywords)

    def load_checkpoint(self, filename: str, map_location: Any = "cpu", strict: bool = True, **keywords: Any) -> Any:
        """Load every tensor of the model; returns all that the file holds.

        Raises:
            WeightsError: the file is broken, or of another run.
        """
        if not zipfile.is_zipfile(filename):
            raise WeightsError(filename, "is no checkpoint of this run (it is empty or cut short)", REMEDY)
        try:
            with redirect_stdout(StringIO()):  # mmengine prints where it loads from
                return super().load_checkpoint(filename, map_location, strict=True, **keywords)
        except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError, TypeError) as error:
            problem = f"is no checkpoint of this run ({' '.join(str(error).split())[:200]})"
            raise WeightsError(filename, problem, REMEDY) from error
