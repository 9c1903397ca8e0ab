"""A part of a JPEG has the bits that it has in the whole image, and whatever is wrong is said as for the whole."""

import ctypes
import io
import multiprocessing
import resource
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ground.errors import DataError
from pretrain.views import region
from pretrain.views.decoding import decode
from pretrain.views.pictures import Files, Jpeg, Whole

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (97, 131, 3), dtype=np.uint8)
SMOOTH = np.asarray(Image.fromarray(NOISE[:9, :13]).resize((131, 97)))
needs_region = pytest.mark.skipif(bool(region.why_not()), reason=f"images are decoded whole here: {region.why_not()}")


def jpeg(pixels=NOISE, mode="RGB", **settings):
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "JPEG", **settings)
    return file.getvalue()


def pillows(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def boxes(count, width, height):
    for _ in range(count):
        x, y = int(RNG.integers(width)), int(RNG.integers(height))
        yield x, y, int(RNG.integers(1, width - x + 1)), int(RNG.integers(1, height - y + 1))


@needs_region
@pytest.mark.parametrize("pixels", [NOISE, SMOOTH], ids=["noise", "smooth"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    "settings",
    [{"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"quality": 30}, {"restart_marker_blocks": 3}],
    ids=str,
)
def test_any_part_of_a_jpeg_has_pillow_s_pixels(mode, settings, pixels):
    data = jpeg(pixels, mode, **settings)
    size, whole = region.size_of(data), pillows(data)
    assert size == (131, 97)
    for x, y, w, h in [(0, 0, *size), (130, 96, 1, 1), (0, 96, 131, 1), *boxes(60, *size)]:
        part = region.decode(data, size, (x, y, w, h))
        assert np.array_equal(part, whole[y : y + h, x : x + w]), (x, y, w, h)


@needs_region
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 40), (40, 1), (3, 5), (16, 16), (17, 33)])
def test_parts_of_small_images_are_right(width, height):
    data = jpeg(NOISE[:height, :width], subsampling=2)
    for x, y, w, h in boxes(20, width, height):
        part = region.decode(data, (width, height), (x, y, w, h))
        assert np.array_equal(part, pillows(data)[y : y + h, x : x + w])


@needs_region
def test_what_is_no_plain_jpeg_is_left_to_the_one_who_decodes_all(tmp_path):
    others = [jpeg(progressive=True), jpeg(mode="CMYK"), b"", b"\xff\xd8\xff\xd9", jpeg()[:-2], jpeg() + b"\0"]
    for mode, kind in (("RGB", "PNG"), ("P", "GIF")):
        file = io.BytesIO()
        Image.fromarray(NOISE).convert(mode).save(file, kind)
        others.append(file.getvalue())
    assert [region.size_of(data) for data in others] == [None] * 8
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(progressive=True))
    assert isinstance(Files([path])[0], Whole)
    assert np.array_equal(Files([path])[0].part((5, 6, 70, 80)), pillows(path.read_bytes())[6:86, 5:75])


SQUARE = jpeg(NOISE[:32, :32], subsampling=1)
"""Colours at half the resolution across; with brightness and colours told otherwise it still is a whole JPEG."""


@needs_region
@pytest.mark.parametrize(
    "data",
    [
        SQUARE.replace(b"\x01\x21\x00", b"\x01\x12\x00"),  # half the resolution down alone: libraries differ
        SQUARE.replace(b"\xff\xc0", b"\xff\xc9"),  # arithmetic coding
        jpeg(keep_rgb=True),
        jpeg() + jpeg(),
        jpeg()[:-2] + b"\xff\xfe\x00\x04ab\xff\xd9",
        jpeg()[:4000] + b"\xff\xc4" + jpeg()[4000:],
    ],
    ids=["down alone", "arithmetic", "RGB", "two", "a word at the end", "a marker within"],
)
def test_what_decoders_may_see_otherwise_is_decoded_whole_and_as_pillow_does(tmp_path, data):
    assert data != SQUARE
    assert region.size_of(data) is None
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    try:
        expected = pillows(data)
    except OSError:
        with pytest.raises(DataError):
            Files([path])[0]
    else:
        assert np.array_equal(decode(path), expected)


def held():
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@needs_region
def test_nothing_is_written_where_there_is_no_room_and_nothing_is_left_behind():
    library, data = region._library(), jpeg()
    memory = np.zeros(3 * 131 * 97, np.uint8)
    sides = ctypes.c_int(), ctypes.c_int()

    def into(room):
        place = ctypes.c_void_p(memory.ctypes.data)
        return library.region(data, len(data), 0, 0, 131, 97, place, room, *map(ctypes.byref, sides))

    assert (into(memory.nbytes - 1), memory.any()) == (0, False)
    assert (into(memory.nbytes), memory.any()) == (1, True)
    broken = data[:5000] + data[6000:]
    for _ in range(200):
        region.decode(data, (131, 97), (5, 5, 9, 9))
        region.decode(broken, (131, 97), (0, 0, 131, 97))
    before = held()
    for _ in range(1500):
        region.decode(data, (131, 97), (5, 5, 9, 9))
        region.decode(broken, (131, 97), (0, 0, 131, 97))
    assert held() - before < 4 * 1024**2  # decoders that are left would be 60


@needs_region
def test_an_image_too_large_is_pillow_s_to_refuse(tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 131 * 97 // 2 - 1)
    assert region.size_of(path.read_bytes()) is None
    with pytest.raises(DataError, match=r"a\.jpg.*exceeds limit"):
        Files([path])[0]


@needs_region
def test_a_jpeg_that_is_cut_short_is_refused_although_the_part_is_there(tmp_path):
    path, data = tmp_path / "a.jpg", jpeg()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"a\.jpg.*truncated"):
        Files([path])[0].part((0, 0, 8, 8))
    path.unlink()
    with pytest.raises(DataError, match=r"a\.jpg.*gone"):
        Files([path])[0]


def taken(make):
    """An image's bytes, or what was said of it."""
    try:
        return make().tobytes()
    except DataError as error:
        return str(error)


@needs_region
def test_a_jpeg_that_is_broken_within_has_the_pixels_of_the_whole_or_is_refused_as_it_is(tmp_path):
    whole, path, kinds = jpeg(), tmp_path / "a.jpg", []
    for place in range(700, len(whole) - 2, len(whole) // 60):
        data = bytearray(whole)
        data[place : place + 2] = bytes(RNG.integers(0, 256, 2, dtype=np.uint8))
        path.write_bytes(bytes(data))
        kinds.append(taken(lambda: decode(path)))
        assert taken(lambda: Files([path])[0].part((0, 0, 131, 97))) == kinds[-1]
        for box in boxes(3, 131, 97) if isinstance(kinds[-1], bytes) else []:
            assert taken(partial(Files([path])[0].part, box)) == taken(partial(Whole(decode(path)).part, box))
    assert len(set(kinds)) > 30


@needs_region
def test_images_are_decoded_partly_unless_they_are_shrunk_or_it_is_switched_off(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg())
    kinds = [type(Files([path], *given)[0]) for given in ((None,), (97,), (96,), (None, False))]
    assert kinds == [Jpeg, Jpeg, Whole, Whole]
    one, other = (Files([path], 64, partly)[0].part((3, 4, 50, 60)) for partly in (True, False))
    assert np.array_equal(one, other)


@pytest.fixture
def anew(monkeypatch, tmp_path):
    """A machine on which nothing is compiled yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    region._library.cache_clear()
    yield tmp_path
    region._library.cache_clear()


def compiler(folder, script):
    path = folder / "mycc"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'region.c:7:10: fatal error: jpeglib.h: No such file' >&2; exit 1", "jpeglib.h: No such file"),
        ("echo not a library > kept; for a; do case $b in -o) echo x > $a;; esac; b=$a; done", "does not load"),
        ("exit 0", "compiling fails"),
        ("exit 1", "mycc cannot compile for libjpeg-turbo (it says nothing)"),
        (r"printf '\377: Fehler error\n' >&2; exit 1", "Fehler error"),
        ('for a; do [ "$b" = -o ] && o=$a; b=$a; done; echo "int none;" | cc -shared -x c - -o $o', "something else"),
    ],
)
def test_where_nothing_can_be_compiled_the_reason_is_known_and_images_are_decoded_whole(
    anew, monkeypatch, script, said
):
    path = anew / "a.jpg"
    path.write_bytes(jpeg())
    monkeypatch.chdir(anew)
    monkeypatch.setenv("CC", compiler(anew, script))
    assert said in region.why_not()
    assert isinstance(Files([path])[0], Whole)
    assert np.array_equal(Files([path])[0].part((1, 2, 3, 4)), pillows(path.read_bytes())[2:6, 1:4])


def test_where_there_is_no_compiler_or_no_place_for_what_it_makes_that_is_said(anew, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    assert region.why_not() == "there is no C compiler (no-such-compiler)"
    region._library.cache_clear()
    monkeypatch.setenv("CC", "true")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert region.why_not().startswith("compiling fails (")
    region._library.cache_clear()
    monkeypatch.setenv("CC", 'gcc "x')
    assert region.why_not() == "CC is no command (No closing quotation)"
    region._library.cache_clear()
    monkeypatch.setattr(region, "SOURCE", anew / "region.c")
    monkeypatch.delenv("CC")
    assert region.why_not() == f"{anew / 'region.c'} cannot be read (No such file or directory)"


@needs_region
def test_what_another_system_compiled_is_made_anew(anew):
    path = region._home() / region._name()
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x7fELF of another machine")
    assert not region.why_not()
    assert path.stat().st_size > 1000
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@needs_region
def test_processes_that_compile_at_once_do_not_disturb_each_other(anew):
    forking = multiprocessing.get_context("fork")
    said = forking.Queue()
    started = [forking.Process(target=lambda: said.put(region.why_not())) for _ in range(4)]
    for process in started:
        process.start()
    assert [said.get(timeout=60) for _ in started] == [""] * 4
    for process in started:
        process.join()
    assert len(list(region._home().iterdir())) == 1


@needs_region
def test_a_libjpeg_of_other_bits_is_not_used(anew, monkeypatch):
    monkeypatch.setattr(region, "_agrees", lambda library: False)
    assert region.why_not() == "the machine's libjpeg does not give Pillow's bits"


@needs_region
def test_other_bits_are_noticed(monkeypatch):
    assert region._agrees(region._library())
    monkeypatch.setattr(region, "MARGIN", 0)  # colours at the edges lack their neighbours
    assert not region._agrees(region._library())
