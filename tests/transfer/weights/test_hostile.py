"""Files made to cost memory or time, or to fail where nobody looked: one line each, and nothing else."""

import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ground.errors import WeightsError
from transfer.weights import imported
from transfer.weights.importing import find
from transfer.weights.inspecting import describe
from transfer.weights.reading import read


def text(word):
    return b"X" + len(word).to_bytes(4, "little") + word.encode()


def mapping(value):
    """A pickle, protocol 2, of a mapping from a word to what other operations make."""
    return b"\x80\x02}" + text("a") + value + b"s."


def within_itself(container):
    container = container()
    if isinstance(container, list):
        container.append(container)
    else:
        container["a"] = container
    return container


def doubled(times):
    """A list that holds itself twice, so many times over: a few bytes each."""
    shared = [0]
    for _ in range(times):
        shared = [shared, shared]
    return shared


PICKLES = [
    (mapping(b"cnumpy\nndarray\n)\x81"), r"is cut short or damaged \(.* no attribute 'array'"),
    (mapping(b"]" * 5000 + b"a" * 4999), r"containers nested more than 100 deep"),
    (pickle.dumps({"x": within_itself(list)}, 2), r"holds no named tensors \(its keys: `x`\)"),
    (pickle.dumps(within_itself(dict), 2), r"holds no named tensors \(its keys: `a`\)"),
    (pickle.dumps({"x": doubled(60)}, 2), r"holds no named tensors \(its keys: `x`\)"),
    (b"\x80\x02ccollections\nOrderedDict\n)R}" + text("items") + b"K\x01sb.", r"holds no named tensors"),
    (mapping(b"c_codecs\nencode\n" + text("a") + text("rot13") + b"\x86R"), r"asks for `bytes of str in rot13`"),
    (mapping(b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R"), r"asks for `bytes of int in latin1`"),
]


@pytest.mark.parametrize(("content", "message"), PICKLES)
def test_a_pickle_that_is_odd_is_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "w.pkl").write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        imported(tmp_path / "w.pkl")


class View:
    """An array of the bytes that others are of, too."""

    def __init__(self, content):
        self.content = content

    def __reduce__(self):
        return np._core.numeric._frombuffer, (self.content, np.dtype("f4"), (5000,), "C")


def test_arrays_that_share_the_bytes_of_a_small_file_are_refused(tmp_path):
    content = np.ones(5000, np.float32)
    (tmp_path / "tied.pkl").write_bytes(pickle.dumps(dict.fromkeys("abc", content)))
    assert read(tmp_path / "tied.pkl").tree["c"].tolist() == content.tolist()
    shared = content.tobytes()
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({name: View(shared) for name in "abc"}))
    with pytest.raises(WeightsError, match="is smaller than its 3 arrays: they share their bytes"):
        read(tmp_path / "w.pkl")


def test_a_pickle_sets_no_attribute_of_what_makes_bytes(tmp_path):
    state = b"N}" + text("__new__") + b"K\x01s\x86"
    (tmp_path / "w.pkl").write_bytes(mapping(b"cbuiltins\nbytes\n" + state + b"b"))
    with pytest.raises(WeightsError, match="cut short or damaged"):
        read(tmp_path / "w.pkl")
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"a": np.ones(2)}, 2))
    assert read(tmp_path / "w.pkl").tree["a"].tolist() == [1, 1]


def test_a_checkpoints_other_contents_may_be_shared_without_end_or_lie_in_themselves(tmp_path, trained):
    torch.save({"state_dict": trained, "x": doubled(60), "y": within_itself(dict)}, tmp_path / "w.pth")
    assert imported(tmp_path / "w.pth").left_over == {"x": 0, "y": 0}


def test_what_a_file_sets_on_its_mappings_and_parameters_is_not_used(tmp_path, trained):
    weight = torch.nn.Parameter(trained["conv1.weight"])
    weight.detach = 1
    whole = OrderedDict(state_dict=trained | {"conv1.weight": weight})
    whole.get = 1
    torch.save(whole, tmp_path / "w.pth")
    assert torch.equal(imported(tmp_path / "w.pth").tensors["conv1.weight"], trained["conv1.weight"])


TENSORS = {
    "expanded": (
        lambda tensor: torch.zeros(1).expand(200_000, 200_000),
        r"bytes for 40\d+ values: tensors are expanded, the largest `layer1\.0\.conv1\.weight` to 200000x200000",
    ),
    "sparse": (lambda tensor: tensor.flatten(1).to_sparse(), r"holds a sparse tensor in `layer1\.0\.conv1\.weight`"),
    "meta": (lambda tensor: tensor.to("meta"), r"without values in `layer1\.0\.conv1\.weight` \(device `meta`\)"),
    "quantised": (
        lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
        r"holds torch\.qint8 values in `layer1\.0\.conv1\.weight`, as a quantised",
    ),
    "complex": (lambda tensor: tensor.to(torch.complex64), r"holds torch\.complex64 values"),
}


@pytest.mark.parametrize("kind", TENSORS)
@pytest.mark.filterwarnings("ignore")
def test_a_tensor_that_is_no_plain_array_is_refused_before_it_is_copied(tmp_path, trained, kind):
    made, message = TENSORS[kind]
    name = "layer1.0.conv1.weight"
    torch.save(trained | {name: made(trained[name])}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=message):
        describe(find(tmp_path / "w.pth"))


def test_a_small_expanded_tensor_is_taken(tmp_path, trained):
    torch.save(trained | {"bn1.weight": torch.ones(1).expand(32)}, tmp_path / "w.pth")
    assert imported(tmp_path / "w.pth").tensors["bn1.weight"].tolist() == [1] * 32


@pytest.mark.parametrize("bgr", [False, True])
def test_a_first_convolution_of_no_dimensions_is_refused_by_its_shape(tmp_path, trained, bgr):
    torch.save(trained | {"conv1.weight": torch.tensor(1.0)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"of another shape `conv1\.weight` a scalar for 32x3x7x7"):
        imported(tmp_path / "w.pth", bgr=bgr)


def test_a_header_nested_without_end_is_no_record_of_ours(tmp_path, trained):
    save_file(trained, tmp_path / "w.safetensors", {"imported": "[" * 100_000})
    assert imported(tmp_path / "w.safetensors").before == {}


def rewritten(path, out, compression, copies=1):
    """The same archive with other entries: compressed, or listed several times."""
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(out, "w", compression) as other:
        for entry in archive.infolist():
            other.writestr(entry.filename, archive.read(entry))
        for copy in range(1, copies):
            again = zipfile.ZipInfo(f"archive/data/{copy}000")
            first = next(each for each in other.filelist if each.filename.endswith("data/0"))
            again.file_size = again.compress_size = first.file_size
            again.header_offset, again.CRC = first.header_offset, first.CRC
            other.filelist.append(again)


def test_compressed_archives_and_those_that_list_a_part_often_are_refused_unread(tmp_path, trained):
    torch.save(trained, tmp_path / "w.pth")
    rewritten(tmp_path / "w.pth", tmp_path / "small.pth", zipfile.ZIP_DEFLATED)
    rewritten(tmp_path / "w.pth", tmp_path / "often.pth", zipfile.ZIP_STORED, copies=2000)
    with pytest.raises(WeightsError, match=r"compressed archive, which torch\.save does not write"):
        imported(tmp_path / "small.pth")
    with pytest.raises(WeightsError, match="entries are larger than the file"):
        imported(tmp_path / "often.pth")
