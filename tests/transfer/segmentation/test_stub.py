"""In processes of their own: an import cannot be taken back."""

import subprocess
import sys
from importlib.metadata import distributions

import pytest

WHOLE = any(each.name == "mmcv" for each in distributions())


def said(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(WHOLE, reason="the whole mmcv is installed: nothing is missing")
def test_mmsegmentation_imports_without_compiled_operators_and_names_the_one_that_is_called():
    code = """
from transfer.segmentation import stub
stub.install()
stub.install()
import torch, mmseg.models
from mmcv.ops import point_sample, roi_align
print(tuple(point_sample(torch.ones(1, 2, 4, 4), torch.full((1, 3, 2), 0.5)).shape))
try:
    roi_align(torch.ones(1, 2, 4, 4), torch.tensor([[0.0, 0, 0, 3, 3]]), 2)
except Exception as error:
    print(type(error).__name__, error)
"""
    shape, error = said(code).splitlines()[-2:]
    assert shape == "(1, 2, 3)"
    assert error.startswith("ConfigError mmcv: `roi_align_forward` is a compiled operator")
    assert "Install mmcv 2.1.0 in place of mmcv-lite" in error


def test_a_compiled_module_is_left_as_it_is():
    code = """
import sys, types
sys.modules["mmcv._ext"] = real = types.ModuleType("mmcv._ext")
from transfer.segmentation import stub
stub.install()
print(sys.modules["mmcv._ext"] is real)
"""
    assert said(code) == "True"
