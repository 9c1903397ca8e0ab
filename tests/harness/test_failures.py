"""Which failures a retry may mend."""

import errno

import numpy as np
import pytest
import torch

from ground.errors import DataError
from harness.failures import classify


def fault(make):
    """The exception that ``make`` raises."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        make()
    return caught.value


def test_what_really_is_raised_where_memory_ends():
    assert classify(fault(lambda: np.empty(2**50))) == "memory"
    assert classify(fault(lambda: torch.empty(2**55, dtype=torch.uint8))) == "memory"
    assert classify(fault(lambda: bytearray(2**62))) == "memory"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB", "memory"),
        ("DataLoader worker (pid 4711) is killed by signal: Killed. ", "memory"),
        ("DataLoader worker (pid(s) 4711) exited unexpectedly", "memory"),
        ("CUDA error: uncorrectable ECC error encountered", "node"),
        ("CUDA error: CUDA-capable device(s) is/are busy or unavailable", "node"),
        ("NCCL error in: ProcessGroupNCCL.cpp:1275, unhandled system error, NCCL version 2.21.5", "node"),
        ("[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.1.1]:1", "node"),
        ("CUDA error: device-side assert triggered", "code"),
        ("mat1 and mat2 shapes cannot be multiplied", "code"),
    ],
)
def test_words_of_torch_tell_the_class(words, kind):
    assert classify(RuntimeError(words)) == kind
    assert classify(torch.OutOfMemoryError(words)) == "memory"


def test_a_file_system_that_went_away_is_storage_and_no_memory_for_a_process_is_memory():
    assert classify(OSError(errno.ESTALE, "Stale file handle")) == "storage"
    assert classify(OSError(errno.ENOMEM, "Cannot allocate memory")) == "memory"
    assert classify(OSError(errno.ENOENT, "No such file or directory")) == "code"


def test_what_an_error_arose_from_counts_unless_it_says_its_class_itself():
    error = RuntimeError("training failed")
    error.__cause__ = MemoryError()
    assert classify(error) == "memory"
    said = DataError("1.jpg", "cannot be decoded", "Replace it.")
    said.__context__ = MemoryError()
    assert classify(said) == "data"
    assert classify(ValueError("a file says: out of memory")) == "code"
