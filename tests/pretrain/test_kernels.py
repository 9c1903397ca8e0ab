"""Every kernel in every form that recipes launch, compiled for GPUs that this machine lacks: see ``kernel_forms``."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KERNELS = {
    "sums", "statistics", "normalise", "gradient_sums", "gradient_means", "gradient", "_attend", "means", "colours",
    "blurred",
}  # fmt: skip
SHARED = 99 * 1024
"""Bytes of shared memory that a block may have on every NVIDIA GPU from Ampere on."""
STACK = 16
"""Bytes: a register or two that the assembler puts aside once, as it sees fit."""
TENSOR_CORES = {80: "mma.sync", 90: "wgmma.mma_async"}


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """Architecture → what became of each form."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("this machine has no Triton")
    tools = pytest.importorskip("triton.knobs", reason="this Triton does not say where its tools are").nvidia
    try:
        assert tools.ptxas.path
        assert tools.cuobjdump.path
    except RuntimeError as error:
        pytest.skip(f"this machine's Triton has no assembler for NVIDIA GPUs: {error}")
    # In a process of its own: these tests' Triton interprets, and a driver that is not there would stay.
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path_factory.mktemp("triton")), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("kernel_forms.py")), *map(str, TENSOR_CORES)]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[-4000:]
    return {int(architecture): found for architecture, found in json.loads(made.stdout).items()}


@pytest.mark.parametrize("architecture", list(TENSOR_CORES))
def test_every_kernel_compiles_in_every_precision_without_memory_of_its_own(architecture, forms):
    found = forms[architecture]
    assert {form["kernel"] for form in found} == KERNELS
    for kernel in ("normalise", "gradient", "colours"):
        kinds = {form["types"].get("x", form["types"].get("out")) for form in found if form["kernel"] == kernel}
        assert kinds == {"*fp16", "*bf16", "*fp32"}
    assert {form["constants"].get("OFFICIAL") for form in found} == {None, False, True}
    for form in found:
        assert form["stack"] <= STACK, f"registers are spilled: {form}"
        assert form["shared"] <= SHARED, form


@pytest.mark.parametrize("architecture", list(TENSOR_CORES))
def test_maxima_of_the_norms_keep_what_is_no_number(architecture, forms):
    """By default a GPU's make it 0, which Triton's interpreter does not show."""
    found = forms[architecture]
    for form in found:
        if form["kernel"] == "statistics" or (form["kernel"] == "normalise" and form["constants"]["RELU"]):
            assert form["words"]["max.NaN.f32"] > 0, form
        if form["kernel"] not in ("colours", "means"):  # theirs are of bytes
            assert form["words"]["max.f32"] == 0, form


@pytest.mark.parametrize("architecture", list(TENSOR_CORES))
def test_infonce_is_worked_out_on_tensor_cores(architecture, forms):
    found = forms[architecture]
    attending = [form for form in found if form["kernel"] == "_attend"]
    assert attending
    for form in attending:
        assert form["types"]["queries"] == form["types"]["queue"] == "*fp16"
        assert form["words"][TENSOR_CORES[architecture]] > 0, form
