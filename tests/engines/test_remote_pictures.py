"""Checks of pictures that come from the image server."""

import contextlib
import io
import struct
import tracemalloc
import zlib
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from easel.domain.task import ErrorCode
from easel.engines.engine import Drawing, DrawingFailed
from easel.engines.remote.pictures import canvas, drawn_picture, read_picture
from tests.support.image_server import picture

DRAWING: Final = Drawing("a heron", 500, 376, 7)


def failure(file: bytes, drawing: Drawing = DRAWING) -> DrawingFailed:
    with pytest.raises(DrawingFailed) as failed:
        read_picture(file, drawing)
    return failed.value


def saved(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def png_that_claims(width_px: int, height_px: int) -> bytes:
    """The header of a PNG, with almost no data."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    content = zlib.compress(b"\0" * 10_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_the_picture_is_cut_from_the_middle_of_the_canvas(file_format: str) -> None:
    assert canvas(DRAWING) == (512, 384)
    image = Image.new("RGB", (512, 384), "black")
    image.paste("white", (6, 4, 506, 380))
    pixels = read_picture(saved(image, file_format, quality=100), DRAWING)
    assert (pixels.width_px, pixels.height_px) == (500, 376)
    middle = Image.frombytes("RGB", (500, 376), pixels.rgb).crop((2, 2, 498, 374))
    assert middle.getextrema() == ((255, 255),) * 3


def test_a_picture_of_exactly_the_ordered_size_is_used_as_it_is() -> None:
    one_colour = picture(500, 376, colour=(1, 2, 3), spot=(1, 2, 3))
    assert read_picture(one_colour, DRAWING).rgb == bytes((1, 2, 3)) * (500 * 376)


def test_a_picture_of_one_colour_has_no_content_and_one_other_pixel_is_content() -> None:
    with pytest.raises(DrawingFailed) as failed:
        drawn_picture(picture(512, 384, colour="black", spot="black"), DRAWING)
    assert failed.value.code == ErrorCode.GENERATION_FAILED_NO_CONTENT
    for place in ((6, 4), (505, 379)):  # the corners of the ordered size
        image = Image.new("RGB", (512, 384), "black")
        image.putpixel(place, (0, 0, 1))
        assert drawn_picture(saved(image), DRAWING).rgb.count(1) == 1


@pytest.mark.parametrize("size_px", [(512, 376), (500, 384), (384, 512), (1024, 1024), (1, 1), (1536, 1152)])
def test_any_other_size_is_refused_with_a_message_that_names_both_sizes(size_px: tuple[int, int]) -> None:
    failed = failure(picture(*size_px))
    assert failed.code == ErrorCode.IMAGE_DIMENSION_MISMATCH
    assert failed.message == f"The image server drew {size_px[0]}x{size_px[1]} pixels in place of 512x384"


@pytest.mark.parametrize("size_px", [(5000, 5000), (12_000, 10_000), (30_000, 30_000), (2_000_000_000, 2_000_000_000)])
def test_a_small_file_that_claims_to_be_huge_is_refused_before_it_is_decoded(size_px: tuple[int, int]) -> None:
    file = png_that_claims(*size_px)
    tracemalloc.start()
    failed = failure(file)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert failed.code in {ErrorCode.IMAGE_DIMENSION_MISMATCH, ErrorCode.IMAGE_PROCESSING_ERROR}
    assert peak_bytes < 1_000_000


@pytest.mark.parametrize("file_format", ["GIF", "BMP", "TIFF", "ICO", "PPM", "TGA", "PDF", "JPEG2000"])
def test_other_formats_are_not_read(file_format: str) -> None:
    image = Image.new("RGB", (512, 384))
    assert failure(saved(image, file_format)).code == ErrorCode.IMAGE_PROCESSING_ERROR


@pytest.mark.parametrize(
    "file", [b"", b"no picture", b"<svg/>", b"%!PS-Adobe", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"]
)
def test_files_that_are_not_pictures_are_refused(file: bytes) -> None:
    assert failure(file).code == ErrorCode.IMAGE_PROCESSING_ERROR


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_grey_and_coloured_modes_become_rgb(mode: str) -> None:
    pixels = read_picture(saved(Image.new(mode, (512, 384), 0 if mode != "RGBA" else (0, 0, 0, 255))), DRAWING)
    assert len(pixels.rgb) == 500 * 376 * 3


def test_transparent_areas_are_placed_on_white() -> None:
    half = saved(Image.new("RGBA", (512, 384), (255, 0, 0, 128)), "WEBP", lossless=True, exact=True)
    assert read_picture(half, DRAWING).rgb[:3] == bytes((255, 127, 127))
    clear = saved(Image.new("RGBA", (512, 384), (0, 0, 0, 0)))
    assert set(read_picture(clear, DRAWING).rgb) == {255}
    keyed = saved(Image.new("RGB", (512, 384), (9, 9, 9)), transparency=(9, 9, 9))
    assert set(read_picture(keyed, DRAWING).rgb) == {255}


def test_sixteen_bit_grey_is_refused_because_it_would_be_clipped() -> None:
    assert failure(saved(Image.new("I;16", (512, 384)))).code == ErrorCode.IMAGE_PROCESSING_ERROR


def test_exif_orientation_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = read_picture(saved(Image.new("RGB", (512, 384)), "JPEG", exif=exif), DRAWING)
    assert (pixels.width_px, pixels.height_px) == (500, 376)


def _photo(file_format: str) -> bytes:
    return saved(
        Image.linear_gradient("L").resize((512, 384)).convert("RGBA" if file_format == "PNG" else "RGB"), file_format
    )


PHOTOS: Final = {file_format: _photo(file_format) for file_format in ("PNG", "JPEG", "WEBP")}


@given(st.sampled_from(sorted(PHOTOS)), st.data())
def test_damaged_files_raise_only_the_expected_error(file_format: str, data: st.DataObject) -> None:
    file = bytearray(PHOTOS[file_format])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(file) - 1) | st.integers(0, min(200, len(file) - 1)))
        file[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.just(len(file)) | st.integers(0, len(file)))
    with contextlib.suppress(DrawingFailed):
        assert len(read_picture(bytes(file[:cut]), DRAWING).rgb) == 500 * 376 * 3


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_only_the_expected_error(file: bytes) -> None:
    with pytest.raises(DrawingFailed):
        read_picture(b"\x89PNG\r\n\x1a\n" + file, DRAWING)
