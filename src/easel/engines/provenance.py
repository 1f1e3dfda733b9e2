"""Marks a picture as drawn by a machine, with an XMP packet inside its file.

The packet holds IPTC's digital source type (media made by a trained model, or by an algorithm for engines that draw by
rules), the tool, the model and the engine. It also holds the recipe, which is what to order to get the same picture
again, unless the operator turns that off. The same provenance gives the same bytes; they contain no date.

The mark is not signed, proves nothing, and is lost when a program that ignores it re-encodes the picture. Characters
that XML 1.0 cannot represent (most control characters) are replaced with U+FFFD, so prompts that contain them cannot be
read back unchanged.
"""

import re
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

SOURCE_TYPE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC NewsCodes, digital source type: "created using generative AI"."""

ALGORITHMIC_SOURCE_TYPE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
"""IPTC NewsCodes: "created purely by an algorithm not based on any sampled training data"."""

WITHOUT_MODEL: Final = frozenset({"sketch"})
"""Engines that draw by rules."""

EASEL_NAMESPACE: Final = "urn:easel:provenance:1.0#"
IPTC_NAMESPACE: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
XMP_NAMESPACE: Final = "http://ns.adobe.com/xap/1.0/"

PACKET_BYTES_MAX: Final = 65_502
"""What fits into JPEG's APP1 segment: 65,535 minus its length (2), the namespace with its NUL (29) and 2 spare
(XMP specification, part 3, 1.1.3). A prompt of 2,000 code points takes at most 10,000."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Everything that the `Char` production of XML 1.0 excludes, including surrogates."""

_HEAD = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    f'<rdf:Description rdf:about="" xmlns:xmp="{XMP_NAMESPACE}"\n'
    f' xmlns:Iptc4xmpExt="{IPTC_NAMESPACE}" xmlns:easel="{EASEL_NAMESPACE}">\n'
)
_TAIL = '</rdf:Description>\n</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to order to get the picture again."""

    prompt: str
    seed: int
    width_px: int
    height_px: int
    steps: int


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a picture comes from. `recipe` is None if the operator keeps prompts out of pictures."""

    easel_version: str
    model: str
    engine: str
    recipe: Recipe | None = None

    @property
    def source_type(self) -> str:
        """IPTC's term for how the picture came about."""
        return ALGORITHMIC_SOURCE_TYPE if self.engine in WITHOUT_MODEL else SOURCE_TYPE

    def packet(self) -> bytes:
        """The XMP packet, UTF-8, at most PACKET_BYTES_MAX bytes."""
        body = "".join(f"<{name}>{_text(value)}</{name}>\n" for name, value in self._properties())
        packet = f"{_HEAD}{body}{_TAIL}".encode()
        assert len(packet) <= PACKET_BYTES_MAX
        return packet

    def _properties(self) -> list[tuple[str, str]]:
        # The names that begin with AI are from IPTC's Photo Metadata Standard 2025.1.
        properties = [
            ("xmp:CreatorTool", f"Easel {self.easel_version}"),
            ("Iptc4xmpExt:DigitalSourceType", self.source_type),
            ("easel:Engine", self.engine),
        ]
        if self.engine not in WITHOUT_MODEL:
            properties.append(("Iptc4xmpExt:AISystemUsed", self.model))
        if self.recipe is not None:
            properties += [
                ("Iptc4xmpExt:AIPromptInformation", self.recipe.prompt),
                ("easel:Seed", str(self.recipe.seed)),
                ("easel:Width", str(self.recipe.width_px)),
                ("easel:Height", str(self.recipe.height_px)),
                ("easel:Steps", str(self.recipe.steps)),
            ]
        return properties


def _text(value: str) -> str:
    # XML parsers turn a bare carriage return into a line feed.
    return escape(_NOT_XML.sub("\ufffd", value), {"\r": "&#13;"})
