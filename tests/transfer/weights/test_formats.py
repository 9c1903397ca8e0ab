"""Every layout that weights come in: which tensors are taken, what is left over.

``fixtures/pretraining_checkpoints.json``: names of the authors' own checkpoints, and what their converters take.
"""

import argparse
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ground.errors import ConfigError, WeightsError
from transfer.weights import imported
from transfer.weights.contents import Contents, network
from transfer.weights.formats import FORMATS
from transfer.weights.names import to_detectron2
from transfer.weights.selection import select

FIXTURES = Path(__file__).parents[1] / "fixtures"
NAMES = json.loads((FIXTURES / "pixcon_checkpoint_names.json").read_text())["names"]
CHECKPOINTS = json.loads((FIXTURES / "pretraining_checkpoints.json").read_text())["checkpoints"]


def under(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


HEAD = {"fc.weight": torch.zeros(4, 256), "fc.bias": torch.zeros(4)}


def slotcon(student, teacher):
    heads = {"module.projector_q.0.weight": torch.ones(3), "module.grouping_k.slot_embed.weight": torch.ones(2, 3)}
    network = under("module.encoder_q.", student) | under("module.encoder_k.", teacher) | heads
    return {"args": argparse.Namespace(lr=1.0), "model": network, "optimizer": {"state": {}}, "epoch": 800}


def pixpro(student, teacher):
    network = under("module.encoder.", student) | under("module.encoder_k.", teacher)
    return {"opt": argparse.Namespace(lr=1.0), "model": network | {"module.projector.linear1.weight": torch.ones(3)}}


def moco(student, teacher):
    network = under("module.encoder_q.", student | HEAD) | under("module.encoder_k.", teacher | HEAD)
    network["module.queue"] = torch.ones(4, 8)
    return {"epoch": 200, "arch": "resnet50", "state_dict": network, "optimizer": {}}


def pixcon(student, teacher):
    network = under("encoder_q.0.", student) | under("encoder_q.1.", HEAD) | under("encoder_k.0.", teacher)
    network |= under("backbone.", student) | {"queue": torch.ones(4, 8), "predictor.mlp.0.weight": torch.ones(2)}
    return {"meta": {"epoch": 800}, "state_dict": network}


def orl(student, teacher):
    network = under("online_net.0.", student) | under("target_net.0.", teacher) | under("backbone.", student)
    return {"state_dict": network, "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}}}


def extracted(student, teacher):
    return {"state_dict": student, "author": "OpenSelfSup"}


def mmseg(student, teacher):
    return {"meta": {}, "state_dict": under("backbone.", student) | {"decode_head.conv_seg.weight": torch.ones(2)}}


def torchvision(student, teacher):
    return student | HEAD


def parallel(student, teacher):
    return {"state_dict": under("module.", student | HEAD)}


def detectron2_fpn(student, teacher):
    renamed = {to_detectron2(name): tensor for name, tensor in student.items()}
    return {"model": under("backbone.bottom_up.", renamed) | {"backbone.fpn_lateral2.weight": torch.ones(2)}}


def detectron2_c4(student, teacher):
    renamed = {to_detectron2(name): tensor for name, tensor in student.items()}
    network = {("roi_heads." if n.startswith("res5") else "backbone.") + n: tensor for n, tensor in renamed.items()}
    return {"model": network | {"roi_heads.res5.norm.weight": torch.ones(2)}, "iteration": 24000}


def bare_detectron2(student, teacher):
    renamed = {to_detectron2(name): tensor for name, tensor in student.items()}
    return {"model": renamed | {"stem.fc.weight": torch.ones(2)}, "matching_heuristics": True}


CASES = [
    (slotcon, "slotcon", "module.encoder_k.", {"module.encoder_q": 72, "module.projector_q.0": 1, "optimizer": 0}),
    (pixpro, "pixpro", "module.encoder.", {"module.encoder_k": 72, "module.projector": 1, "opt": 0}),
    (moco, "moco", "module.encoder_q.", {"module.encoder_q": 2, "module.encoder_k": 74, "module.queue": 1, "epoch": 0}),
    (pixcon, "mmselfsup", "backbone.", {"encoder_q.0": 72, "encoder_q.1": 2, "encoder_k.0": 72, "queue": 1}),
    (orl, "mmselfsup", "backbone.", {"online_net.0": 72, "target_net.0": 72, "optimizer": 1}),
    (extracted, "torchvision", "", {"author": 0}),
    (mmseg, "openmmlab", "backbone.", {"decode_head": 1, "meta": 0}),
    (torchvision, "torchvision", "", {"fc": 2}),
    (parallel, "torchvision", "module.", {"module.fc": 2}),
    (detectron2_fpn, "detectron2", "backbone.bottom_up.", {"backbone.fpn_lateral2": 1}),
    (detectron2_c4, "detectron2", "backbone.", {"roi_heads": 1, "iteration": 0}),
    (bare_detectron2, "detectron2", "", {"stem": 1, "matching_heuristics": 0}),
]


@pytest.mark.parametrize(("make", "name", "prefix", "left"), CASES, ids=[case[0].__name__ for case in CASES])
def test_the_network_that_the_authors_transfer_is_taken_bit_for_bit(tmp_path, trained, other, make, name, prefix, left):
    torch.save(make(trained, other), tmp_path / "w.pth")
    found = imported(tmp_path / "w.pth")
    wanted = other if make is slotcon else trained
    assert (found.format, found.prefix, found.network) == (name, prefix, "resnet10_w32")
    assert found.tensors.keys() == wanted.keys()
    assert all(torch.equal(found.tensors[each], wanted[each]) for each in wanted)
    assert left.items() <= found.left_over.items()
    assert bool(found.notes) == (name == "detectron2" and prefix != "")


def test_a_format_or_a_prefix_that_is_said_goes_before_what_is_recognised(tmp_path, trained, other):
    torch.save(slotcon(trained, other), tmp_path / "w.pth")
    for said in ({"format": "moco"}, {"prefix": "module.encoder_q."}, {"prefix": "module.encoder_q"}):
        found = imported(tmp_path / "w.pth", **said)
        assert torch.equal(found.tensors["conv1.weight"], trained["conv1.weight"])
    with pytest.raises(WeightsError, match=r"no ResNet below `net\.`; it has one below `module\.encoder_q\.`, "):
        imported(tmp_path / "w.pth", prefix="net.")
    with pytest.raises(ConfigError, match=r"--format slotkon: is no format .* `slotcon`"):
        imported(tmp_path / "w.pth", format="slotkon")


def test_a_single_network_is_found_wherever_it_lies(tmp_path, trained):
    save_file(under("my.method.trunk.", trained), tmp_path / "w.safetensors")
    found = imported(tmp_path / "w.safetensors")
    assert (found.format, found.prefix) == ("unnamed", "my.method.trunk.")


def test_of_two_networks_that_no_format_knows_none_is_taken_by_chance(tmp_path, trained, other):
    save_file(under("a.", trained) | under("b.", other), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"holds 2 ResNets, `a\.`, `b\.`\. Choose one with --prefix"):
        imported(tmp_path / "w.safetensors")


def test_a_file_without_a_resnet_says_what_it_holds(tmp_path):
    torch.save({"model": {"blocks.0.attn.qkv.weight": torch.ones(3), "cls_token": torch.ones(1)}}, tmp_path / "vit.pth")
    torch.save({"epoch": 3, "optimizer": {}}, tmp_path / "none.pth")
    with pytest.raises(WeightsError, match=r"no ResNet: its 2 tensors belong to `blocks\.0`, `cls_token`"):
        imported(tmp_path / "vit.pth")
    with pytest.raises(WeightsError, match=r"no named tensors \(its keys: `epoch`, `optimizer`\)"):
        imported(tmp_path / "none.pth")


def test_a_caffe2_network_is_refused_by_name(tmp_path):
    names = ("conv1_w", "res_conv1_bn_s", "res2_0_branch2a_w", "res2_0_branch2a_bn_b")
    torch.save({name: torch.ones(2) for name in names}, tmp_path / "R-50.pkl")
    with pytest.raises(WeightsError, match=r"is a Caffe2 network .* BGR images"):
        imported(tmp_path / "R-50.pkl")


def test_names_of_formats_are_said_once():
    assert len({each.name for each in FORMATS}) == len(FORMATS)


def official(name):
    """The names of a checkpoint as the authors' own class has them, a different number for each."""
    layout = CHECKPOINTS[name]
    names = [prefix + each for prefix in layout["resnets"] for each in NAMES] + layout["others"]
    network = {each: torch.tensor(float(at)) for at, each in enumerate(names)}
    return {layout["wrapper"]: network} | {key: {} for key in layout["beside"]}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_of_the_authors_checkpoint_the_network_that_their_converter_takes_is_taken(name):
    tree, taken = official(name), CHECKPOINTS[name]["converted"]
    contents = Contents("torch", tree)
    found = select(Path(name), contents, network(contents), None, None, None)
    whole = tree[CHECKPOINTS[name]["wrapper"]]
    assert found.prefix == taken
    assert found.tensors == {each: whole[taken + each] for each in NAMES}
    assert sum(found.left_over.values()) == len(whole) - len(NAMES)
    assert found.format == {"densecl": "mmselfsup", "orl": "mmselfsup", "pixcon": "mmselfsup"}.get(name, name)


def test_what_mocos_converter_takes_along_is_left_over(tmp_path):
    extra = CHECKPOINTS["moco"]["added by the converter"]
    contents = Contents("pickle", {"model": dict.fromkeys([*NAMES.values(), *extra], torch.ones(1))})
    found = select(tmp_path, contents, network(contents), None, None, None)
    assert found.tensors.keys() == NAMES.keys()
    assert found.left_over == {"stem": 4}
