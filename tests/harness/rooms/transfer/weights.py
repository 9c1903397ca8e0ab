import hashlib
from types import SimpleNamespace

from ground.errors import WeightsError


def imported(path, *, format=None, prefix=None, untrained=False, bgr=False):
    if not path.exists():
        raise WeightsError(path, "no such file", "Correct the path.")
    text = path.read_text()
    if text == "broken":
        raise WeightsError(path, "lacks tensor `conv1.weight`", "Name the whole network.")
    network = "resnet50" if text.startswith("resnet50") else "resnet10_w32"
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return SimpleNamespace(
        tensors=text,
        network=network,
        tensors_sha256=sha256,
        file_sha256=sha256,
        format=format or "ours",
        notes=("a note",),
    )


def write(backbone, out):
    out.write_text(backbone.tensors)
