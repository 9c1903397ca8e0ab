"""Compiles what GPUs would be given, on a machine without one: ``kernel_forms.py [--all] ARCHITECTURE...``, as JSON.

Steps of recipes at the paper's scale run on a device without values, and what they launch is noted: each kernel with
its types, alignments and constants. Of forms that differ in the length of a loop alone the longest is compiled, or all.
"""

import json
import re
import subprocess
import sys
import tempfile

import pytest
import torch
import triton
import valueless
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from benchmarks.base import Options
from benchmarks.training import build, settings
from pretrain.model.fast import use_fast_paths

LOOPS = ("G", "TURNS", "BS")
STEPS = (
    ("pixcon-sr", "fp16", ()),
    ("pixcon-sr", "bf16", ()),
    ("byol", "fp32", ("pretrain.views.first.jitter.kind=official", "pretrain.views.first.blur=0")),
)
"""Recipe, precision and settings."""


class Absent:
    """In the place of Triton's driver: says for which GPU, and launches nothing."""

    def __init__(self, architecture):
        self.target = GPUTarget("cuda", architecture, 32)

    def get_current_target(self):
        return self.target

    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return 0


def launched(architecture):
    """What the steps launch, by kernel and form: the arguments of ``ASTSource`` and the options."""
    found = {}

    def note(*, key, fn, compile, **_):
        options = {name: compile[name] for name in ("num_warps", "num_stages")}
        source = (fn.jit_function, compile["signature"], compile["constants"], compile["configs"][0])
        found[fn.name, key] = (*source, options)
        return True  # neither compiled nor launched

    triton.runtime.driver.set_active(Absent(architecture))
    triton.knobs.runtime.jit_cache_hook = note
    for recipe, precision, overrides in STEPS:
        options = Options(device="cpu", overrides=(f"pretrain.train.precision={precision}", *overrides))
        training = build(settings(options, recipe, 128, torch.device("cpu")), valueless.DEVICE)
        use_fast_paths(training.trainer.model, training.config.train.fast)
        with valueless.alarmed():
            training.trainer._passed(*training.trainer.to_device(training.batch.pin_memory()))
    return found


def chosen(found, every):
    """All forms, or of those that differ in their loops alone the longest."""
    alike = {}
    for (name, key), form in found.items():
        kernel, signature, constants, attributes, options = form
        named = {kernel.arg_names[place[0]]: value for place, value in constants.items()}
        loops = [named.pop(loop) for loop in LOOPS if loop in named]
        group = (name, key) if every else (name, str((signature, named, attributes, options)))
        alike.setdefault(group, []).append((loops, key, form))
    return [max(forms)[2] for forms in alike.values()]


def compiled(form, target):
    """What became of a form: registers, stack and instructions that matter."""
    kernel, signature, constants, attributes, options = form
    made = triton.compile(ASTSource(kernel, signature, constants, attributes), target=target, options=options)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as binary:
        binary.write(made.asm["cubin"])
        binary.flush()
        command = [triton.knobs.nvidia.cuobjdump.path, "-res-usage", binary.name]
        use = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    words = ("max.NaN.f32", "max.f32", "wgmma.mma_async", "mma.sync")
    return {
        "kernel": kernel.__name__,
        "types": {name: kind for name, kind in signature.items() if kind != "constexpr"},
        "constants": {kernel.arg_names[place[0]]: value for place, value in constants.items()},
        "registers": int(re.search(r"REG:(\d+)", use)[1]),
        "stack": int(re.search(r"STACK:(\d+)", use)[1]),
        "shared": made.metadata.shared,
        "words": {word: made.asm["ptx"].count(word) for word in words},
    }


if __name__ == "__main__":
    architectures = [int(word) for word in sys.argv[1:] if word != "--all"]
    with pytest.MonkeyPatch.context() as monkeypatch:
        valueless.pretend(monkeypatch)
        forms = chosen(launched(architectures[0]), "--all" in sys.argv)
    print(json.dumps({each: [compiled(form, GPUTarget("cuda", each, 32)) for form in forms] for each in architectures}))
