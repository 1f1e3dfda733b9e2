"""Picture files: their pixels, and the provenance in them."""

import io
import re
import xml.etree.ElementTree as ET
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from easel.domain.order import PROMPT_CODE_POINTS_MAX, OutputFormat
from easel.domain.picture import CONTENT_TYPES, EXTENSIONS
from easel.engines.encoding import encode
from easel.engines.engine import Pixels
from easel.engines.provenance import (
    ALGORITHMIC_SOURCE_TYPE,
    EASEL_NAMESPACE,
    IPTC_NAMESPACE,
    PACKET_BYTES_MAX,
    SOURCE_TYPE,
    XMP_NAMESPACE,
    Provenance,
    Recipe,
)

FORMATS: tuple[OutputFormat, ...] = get_args(OutputFormat)
XML_CHARS = re.compile("[\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")


def gradient(width_px: int, height_px: int) -> Pixels:
    rows = (bytes((x * 255 // width_px, y * 255 // height_px, 128)) for y in range(height_px) for x in range(width_px))
    return Pixels(width_px, height_px, b"".join(rows))


def provenance(prompt: str) -> Provenance:
    return Provenance("0.1.0", "z-image-turbo", "zimage", Recipe(prompt, 7, 64, 48, 8))


def properties(packet: bytes) -> dict[str, str]:
    """The simple properties of an XMP packet by qualified name. Raises if it is not well-formed."""
    description = ET.fromstring(packet)[0][0]
    return {child.tag: child.text or "" for child in description}


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@given(prompt=st.text(max_size=PROMPT_CODE_POINTS_MAX))
def test_any_prompt_gives_a_well_formed_packet_and_reads_back_as_far_as_xml_allows(prompt: str) -> None:
    read = properties(provenance(prompt).packet())[f"{{{IPTC_NAMESPACE}}}AIPromptInformation"]
    assert len(read) == len(prompt)
    assert all(got == sent or got == "\ufffd" for got, sent in zip(read, prompt, strict=True))
    if XML_CHARS.fullmatch(prompt):
        assert read == prompt


@pytest.mark.parametrize("code_points", [range(0x20), range(0x7F, 0xA0), range(0xD800, 0xD810), range(0xFFF0, 0x10000)])
def test_unusual_code_points_keep_the_packet_well_formed(code_points: range) -> None:
    prompt = "".join(map(chr, code_points)) + "]]><?xpacket end='w'?><!-- & \"'\r\n"
    read = properties(provenance(prompt).packet())[f"{{{IPTC_NAMESPACE}}}AIPromptInformation"]
    assert read.endswith("]]><?xpacket end='w'?><!-- & \"'\r\n")


@pytest.mark.parametrize("character", ["&", "\r", "\U0001f600", ">"])
def test_the_longest_prompt_easily_fits_into_a_jpeg_segment(character: str) -> None:
    assert len(provenance(character * PROMPT_CODE_POINTS_MAX).packet()) < PACKET_BYTES_MAX / 4


@pytest.mark.parametrize("output_format", FORMATS)
def test_every_format_has_the_whole_provenance(output_format: OutputFormat) -> None:
    data = encode(gradient(64, 48), output_format, provenance("a <red> & blue\nhouse \U0001f3e0"))
    assert properties(opened(data).info["xmp"]) == {
        f"{{{XMP_NAMESPACE}}}CreatorTool": "Easel 0.1.0",
        f"{{{IPTC_NAMESPACE}}}DigitalSourceType": SOURCE_TYPE,
        f"{{{IPTC_NAMESPACE}}}AISystemUsed": "z-image-turbo",
        f"{{{IPTC_NAMESPACE}}}AIPromptInformation": "a <red> & blue\nhouse \U0001f3e0",
        f"{{{EASEL_NAMESPACE}}}Engine": "zimage",
        f"{{{EASEL_NAMESPACE}}}Seed": "7",
        f"{{{EASEL_NAMESPACE}}}Width": "64",
        f"{{{EASEL_NAMESPACE}}}Height": "48",
        f"{{{EASEL_NAMESPACE}}}Steps": "8",
    }


def test_an_engine_without_a_model_is_marked_as_an_algorithm() -> None:
    assert properties(Provenance("0.1.0", "Easel Sketch", "sketch").packet()) == {
        f"{{{XMP_NAMESPACE}}}CreatorTool": "Easel 0.1.0",
        f"{{{IPTC_NAMESPACE}}}DigitalSourceType": ALGORITHMIC_SOURCE_TYPE,
        f"{{{EASEL_NAMESPACE}}}Engine": "sketch",
    }


@pytest.mark.parametrize("output_format", FORMATS)
def test_without_a_recipe_the_mark_stays_and_the_prompt_is_left_out(output_format: OutputFormat) -> None:
    data = encode(gradient(64, 48), output_format, Provenance("0.1.0", "z-image-turbo", "zimage"))
    assert properties(opened(data).info["xmp"])[f"{{{IPTC_NAMESPACE}}}DigitalSourceType"] == SOURCE_TYPE
    assert b"AIPromptInformation" not in data
    assert b"Seed" not in data


@pytest.mark.parametrize("output_format", FORMATS)
def test_the_longest_prompt_survives_in_every_format(output_format: OutputFormat) -> None:
    prompt = "&" * PROMPT_CODE_POINTS_MAX
    image = opened(encode(gradient(64, 48), output_format, provenance(prompt)))
    assert properties(image.info["xmp"])[f"{{{IPTC_NAMESPACE}}}AIPromptInformation"] == prompt


@pytest.mark.parametrize("output_format", FORMATS)
def test_without_provenance_no_packet_is_written(output_format: OutputFormat) -> None:
    assert "xmp" not in opened(encode(gradient(64, 48), output_format, None)).info


@settings(max_examples=40, deadline=None)
@given(
    width_px=st.integers(1, 90), height_px=st.integers(1, 90), output_format=st.sampled_from(FORMATS), data=st.data()
)
def test_size_and_format_are_exact_and_encoding_is_deterministic(
    width_px: int, height_px: int, output_format: OutputFormat, data: st.DataObject
) -> None:
    colour = data.draw(st.binary(min_size=3, max_size=3))
    pixels = Pixels(width_px, height_px, colour * (width_px * height_px))
    encoded = encode(pixels, output_format, provenance("a house"))
    assert encoded == encode(pixels, output_format, provenance("a house"))
    image = opened(encoded)
    assert image.format == output_format.upper()
    assert image.size == (width_px, height_px)
    assert image.mode == "RGB"


def test_png_has_the_exact_pixels() -> None:
    pixels = gradient(77, 33)
    assert opened(encode(pixels, "png", provenance("a house"))).tobytes() == pixels.rgb


@pytest.mark.parametrize("output_format", ["webp", "jpeg"])
def test_lossy_formats_stay_close_to_the_pixels(output_format: OutputFormat) -> None:
    pixels = gradient(128, 96)
    read = opened(encode(pixels, output_format, None)).tobytes()
    mean_error = sum(abs(a - b) for a, b in zip(read, pixels.rgb, strict=True)) / len(read)
    assert mean_error < 2


@pytest.mark.parametrize("output_format", FORMATS)
def test_extension_and_content_type_match_what_pillow_writes(output_format: OutputFormat) -> None:
    Image.init()
    extension = Image.registered_extensions()[EXTENSIONS[output_format]]
    assert extension == output_format.upper()
    assert Image.MIME[extension] == CONTENT_TYPES[output_format]
