"""A device without values in the place of a GPU: torch's meta device, where a whole step takes a second at any size.

Whoever asks a tensor there for a value fails, and it has no kernels that would be needed for a shape that depends on
values (``nonzero``, ``unique``, masks as indices). What it lets pass though a GPU's host would wait is found here:
copies to the device that are not asked for as non-blocking or come from memory that can be paged out, indices that lie
on the host, masks in assignments.
"""

import contextlib
import sys

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from pretrain import device as devices

DEVICE = torch.device("meta")
_INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}
_LOWERED = {
    F.conv2d, F.linear, torch.conv2d, torch.matmul, torch.mm, torch.bmm, torch.addmm, torch.baddbmm, torch.einsum,
    torch.Tensor.matmul, torch.Tensor.__matmul__, torch.Tensor.mm, torch.Tensor.bmm,
}  # fmt: skip
"""What autocast takes in half precision, as far as it occurs here."""


class WaitsError(AssertionError):
    """The host would wait for the device."""


class _Autocast(contextlib.ContextDecorator):
    """``torch.autocast``, which knows no meta device."""

    dtype: torch.dtype | None = None

    def __init__(self, device, dtype=None, enabled=True):
        self.wanted, self.before = dtype if enabled else None, []

    def __enter__(self):
        self.before.append(_Autocast.dtype)
        _Autocast.dtype = self.wanted

    def __exit__(self, *_):
        _Autocast.dtype = self.before.pop()


class _Calls(TorchFunctionMode):
    """Casts as autocast would, and meets what is never dispatched."""

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        keywords = keywords or {}
        if function in (torch.tensor, torch.as_tensor) and torch.device(keywords.get("device") or "cpu") == DEVICE:
            raise WaitsError(f"{function.__name__} of values on the host is a blocking copy to the device")
        if _Autocast.dtype and function in _LOWERED:
            arguments = [_lowered(argument, _Autocast.dtype) for argument in arguments]
        return function(*arguments, **keywords)


def _lowered(argument, dtype):
    floats = isinstance(argument, torch.Tensor) and argument.is_floating_point()
    return argument.to(dtype) if floats else argument


class _Operations(TorchDispatchMode):
    """Meets the waits that the meta device itself does not; ``recording``, also what a recording would do only once."""

    def __init__(self, recording):
        super().__init__()
        self.recording = recording

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):
        keywords, name = keywords or {}, operation.overloadpacket.__name__
        if self.recording and torch.Tag.nondeterministic_seeded in operation.tags:
            raise WaitsError(f"{operation} draws: a recording would give the same number again and again")
        if name in _INDEXED and arguments[0].is_meta:
            for index in arguments[1]:
                if index is not None and (not index.is_meta or index.dtype in (torch.bool, torch.uint8)):
                    raise WaitsError(f"{operation} by {index.dtype} on {index.device}")
        if name == "_to_copy" and torch.device(keywords.get("device") or "cpu") == DEVICE:
            self._check_copy(operation, arguments[0], keywords.get("non_blocking"))
        if name == "copy_" and arguments[0].is_meta:
            self._check_copy(operation, arguments[1], keywords.get("non_blocking", len(arguments) > 2 and arguments[2]))
        return operation(*arguments, **keywords)

    def _check_copy(self, operation, source, non_blocking):
        if source.is_meta:
            return
        if self.recording:
            raise WaitsError(f"{operation} reads memory of the host, which is another's when it is done again")
        if not non_blocking:
            raise WaitsError(f"{operation} from the host blocks")
        if source.untyped_storage().data_ptr() not in _pinned:
            raise WaitsError(f"{operation} blocks: its memory on the host can be paged out")


_pinned: dict[int, torch.Tensor] = {}
"""What was pinned, by its memory; kept, so that no other gets it."""


def _pin(values):
    """``Tensor.pin_memory``, which needs a GPU."""
    copied = values.clone()
    _pinned[copied.untyped_storage().data_ptr()] = copied
    return copied


def _moved(values, device):
    """``device.moved`` to a GPU."""
    return values.pin_memory().to(device, non_blocking=True)


@contextlib.contextmanager
def alarmed(recording=False):
    """Meanwhile every wait for the device is an error; ``recording``, so is whatever cannot be recorded."""
    with _Calls(), _Operations(recording):
        yield


def pretend(monkeypatch):
    """Have the package take the meta device for a GPU; autocast is emulated for convolutions and matrix products."""
    monkeypatch.setattr(torch, "autocast", _Autocast)
    monkeypatch.setattr(torch.Tensor, "pin_memory", _pin)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: _Autocast.dtype is not None)
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda tensor: tensor.is_meta))
    moved = devices.moved
    for module in list(sys.modules.values()):
        if getattr(module, "moved", None) is moved:
            monkeypatch.setattr(module, "moved", _moved)
