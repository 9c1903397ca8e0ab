"""mmengine's process-wide state, held inside one run: a second run in the same process finds none of it."""

from __future__ import annotations

import random
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import torch
import torch.multiprocessing
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope

_MANAGED = (MMLogger, MessageHub, DefaultScope)
"""Classes whose instances are found by name, or as the latest, from anywhere."""


@contextmanager
def isolated() -> Iterator[None]:
    """Loggers, message hubs, scopes, generators, opencv's threads and the way processes start are as before behind."""
    instances = [each._instance_dict for each in _MANAGED]
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    threads, method = cv2.getNumThreads(), torch.multiprocessing.get_start_method(allow_none=True)
    for each in _MANAGED:
        each._instance_dict = OrderedDict()
    try:
        with warnings.catch_warnings():
            for package in ("mmengine", "mmcv", "mmseg"):
                warnings.filterwarnings("ignore", module=package)
            yield
    finally:
        for logger in MMLogger._instance_dict.values():
            for handler in logger.handlers:
                handler.close()
        for each, before in zip(_MANAGED, instances, strict=True):
            each._instance_dict = before
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
        cv2.setNumThreads(threads)
        torch.multiprocessing.set_start_method(method, force=True)
