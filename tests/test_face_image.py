"""Pictures in: every kind of file gives upright RGB, and what is none says what it is."""

import io
import struct
import zlib

import numpy as np
import pytest

from affekt.errors import ImageError, ImageWarning, InputError
from affekt.face.image import MOST_PIXELS, looks_swapped, read_picture

Image = pytest.importorskip("PIL.Image")

#: Red at the left, blue at the right, green below: no two ways to turn or swap it look alike.
TRUTH = np.zeros((20, 30, 3), np.uint8)
TRUTH[:10, :15], TRUTH[:10, 15:], TRUTH[10:] = (220, 30, 20), (20, 30, 220), (30, 200, 40)


def saved(picture, form, **options):
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_every_format_gives_the_same_picture(form, tmp_path):
    data = saved(Image.fromarray(TRUTH), form, **({"quality": 95} if form in ("JPEG", "WEBP") else {}))
    (tmp_path / "a.bin").write_bytes(data)
    for source in (data, tmp_path / "a.bin", str(tmp_path / "a.bin"), io.BytesIO(data)):
        found = read_picture(source)
        assert found.dtype == np.uint8 and found.shape == TRUTH.shape
        middle = [(5, 7), (5, 22), (15, 15)]
        for row, column in middle:
            assert np.abs(found[row, column].astype(int) - TRUTH[row, column]).max() < 30


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_held_in_any_way_gives_an_upright_picture(orientation):
    turned = {
        1: lambda x: x, 2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1], 4: lambda x: x[::-1],
        5: lambda x: x.transpose(1, 0, 2), 6: lambda x: np.rot90(x), 7: lambda x: np.rot90(x, 2).transpose(1, 0, 2),
        8: lambda x: np.rot90(x, 3),
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(np.ascontiguousarray(turned[orientation](TRUTH))), "PNG", exif=exif)
    np.testing.assert_array_equal(read_picture(data), TRUTH)


def test_cmyk_grey_palette_and_transparency_become_rgb():
    assert np.abs(read_picture(saved(Image.fromarray(TRUTH).convert("CMYK"), "TIFF")).astype(int) - TRUTH).max() < 8
    grey = Image.fromarray(TRUTH).convert("L")
    assert (read_picture(saved(grey, "PNG")) == np.asarray(grey)[:, :, None]).all()
    np.testing.assert_array_equal(read_picture(saved(Image.fromarray(TRUTH).quantize(8), "PNG")), TRUTH)
    clear = np.dstack([TRUTH, np.where(TRUTH[:, :, :1] > 100, 0, 255).astype(np.uint8)])
    found = read_picture(saved(Image.fromarray(clear, "RGBA"), "PNG"))
    assert (found[5, 7] == 255).all() and (found[15, 15] == TRUTH[15, 15]).all()


def test_sixteen_bits_become_eight():
    deep = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    found = read_picture(saved(Image.fromarray(deep), "PNG"))
    np.testing.assert_array_equal(found[:, :, 0], np.arange(256, dtype=np.uint8).reshape(16, 16))


def test_of_an_animation_the_first_frame_is_read():
    frames = [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (10, 200)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert read_picture(data).max() < 20


def claimed(width, height):
    """A PNG of a few bytes that says it has so many pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (claimed(20_000, 20_000), "says that it has more than 120,000,000 pixels"),
        (claimed(13_000, 13_000), "13000 x 13000 pixels; allowed"),
        (claimed(300, 300), "cannot be read as a picture"),
        (b"", "is empty"),
        (b"dear diary", "is no picture that can be read"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "is a HEIC picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "is no picture that can be read"),
        (saved(Image.fromarray(TRUTH), "PNG")[:70], "cannot be read as a picture"),
    ],
)
def test_what_is_no_picture_says_why(data, said):
    with pytest.raises(ImageError, match=said):
        read_picture(data)


def test_a_path_that_is_none_says_so(tmp_path):
    with pytest.raises(ImageError, match="no such file"):
        read_picture(tmp_path / "no.jpg")
    with pytest.raises(ImageError, match="is a folder"):
        read_picture(tmp_path)
    with pytest.raises(InputError, match="is no picture: give a path"):
        read_picture(3)


def test_arrays_are_rgb_of_any_usual_type():
    for array in (TRUTH, TRUTH / 255, TRUTH.astype(np.uint16) * 257, np.dstack([TRUTH, np.full(TRUTH.shape[:2], 255)])):
        given = array.astype(np.uint8) if array.shape[2] == 4 else array
        np.testing.assert_array_equal(read_picture(given), TRUTH)
    assert read_picture(np.full((3, 4), 7, np.uint8)).tolist() == [[[7] * 3] * 4] * 3


@pytest.mark.parametrize(
    "array",
    [np.zeros((3, 4, 2), np.uint8), np.zeros(5), np.zeros((0, 4, 3), np.uint8), np.full((2, 2), np.nan),
     np.full((2, 2), 3.0), np.zeros((2, 2), np.int64), np.zeros((1, MOST_PIXELS + 1), np.bool_)],
)  # fmt: skip
def test_an_array_that_is_no_picture_is_refused(array):
    with pytest.raises(InputError, match="an array of"):
        read_picture(array)


def test_a_picture_that_seems_to_be_bgr_is_noticed():
    skin = np.full((40, 40, 3), (205, 150, 125), np.uint8)
    assert not looks_swapped(skin) and looks_swapped(skin[:, :, ::-1])
    with pytest.warns(ImageWarning, match="seems to be BGR"):
        read_picture(np.ascontiguousarray(skin[:, :, ::-1]))


def test_a_jpeg_of_thousands_of_passes_is_refused_before_it_is_decoded():
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (120, 90, 60)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    assert read_picture(data).shape == (64, 64, 3)
    scan = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(ImageError, match="64 passes over the picture"):
        read_picture(data[:-2] + 100 * scan + b"\xff\xd9")
