"""Paints SVG documents onto pixels with ThorVG, one over the other.

ThorVG is a small vector renderer in C++, called through ctypes with the shared library of the package thorvg-python,
whose Python classes are not used: they keep a ctypes type for every size that they have seen. A call releases the
interpreter's lock. Of two renderers measured on one core, with one of Fluent's pictures filling 1024x1024 pixels:

| renderer    | time          | result                                          |
|-------------|---------------|-------------------------------------------------|
| ThorVG 1.0  | 33 to 60 ms   | the pixels themselves                           |
| resvg 0.45  | 480 to 1087 ms| a PNG, whose making takes 100 ms of that        |

ThorVG blurs, but knows no other filter of SVG, so documents may use no filter but `feGaussianBlur` alone. No document
may hold text of a prompt: it is markup, and nothing here escapes it. Fonts, files and networks are not touched.
Not for concurrent use: one thread at a time may paint.
"""

import ctypes
import functools
from typing import Any, Final

from PIL import Image, ImageChops

_ABGR8888: Final = 0
_GLIBC_MMAP_THRESHOLD: Final = -3
"""M_MMAP_THRESHOLD in glibc's malloc.h: from which size on a block goes back to the system as soon as it is freed."""
_LARGE_BYTES: Final = 2**20


class PaintingFailed(Exception):
    """ThorVG refused a document, or its library is missing."""


@functools.cache
def _library() -> ctypes.CDLL:
    from thorvg_python.engine import THORVG_LIB

    if THORVG_LIB is None:
        raise PaintingFailed("the library of thorvg-python cannot be loaded")
    library: ctypes.CDLL = THORVG_LIB
    pointer, uint, real, size = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_float, ctypes.c_uint8
    for name, result, arguments in (
        ("tvg_engine_init", ctypes.c_int, [uint]),
        ("tvg_swcanvas_create", pointer, [size]),
        ("tvg_swcanvas_set_target", ctypes.c_int, [pointer, pointer, uint, uint, uint, size]),
        ("tvg_canvas_add", ctypes.c_int, [pointer, pointer]),
        ("tvg_canvas_remove", ctypes.c_int, [pointer, pointer]),
        ("tvg_canvas_draw", ctypes.c_int, [pointer, ctypes.c_bool]),
        ("tvg_canvas_sync", ctypes.c_int, [pointer]),
        ("tvg_canvas_destroy", ctypes.c_int, [pointer]),
        ("tvg_picture_new", pointer, []),
        ("tvg_picture_set_size", ctypes.c_int, [pointer, real, real]),
        (
            "tvg_picture_load_data",
            ctypes.c_int,
            [pointer, ctypes.c_char_p, uint, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_bool],
        ),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    _checked(library.tvg_engine_init(0), "start")
    return library


def load() -> None:
    """Load the renderer. Raises PaintingFailed."""
    _library()
    system = ctypes.CDLL(None)
    if hasattr(system, "mallopt"):
        # glibc learns to keep blocks as large as pictures. That saves a tenth of the time of 1536x1536 pixels, and
        # holds more than 20 MB.
        system.mallopt(_GLIBC_MMAP_THRESHOLD, _LARGE_BYTES)


class VectorCanvas:
    """A picture in the making, at first transparent. Use it in a `with` statement."""

    def __init__(self, width_px: int, height_px: int) -> None:
        self._size_px = (width_px, height_px)
        self._library = _library()
        self._pixels = (ctypes.c_uint32 * (width_px * height_px))()
        self._canvas = self._library.tvg_swcanvas_create(0)
        # Not `ctypes.cast`: its result would keep the pixels in memory until the next full garbage collection.
        target = ctypes.addressof(self._pixels)
        _checked(
            self._library.tvg_swcanvas_set_target(self._canvas, target, width_px, width_px, height_px, _ABGR8888),
            "set the target",
        )
        self._is_blank = True

    def __enter__(self) -> "VectorCanvas":
        return self

    def __exit__(self, *_: object) -> None:
        self._library.tvg_canvas_destroy(self._canvas)

    def paint(self, svg: str) -> None:
        """Paint a document that covers the whole picture over what is there. Raises PaintingFailed."""
        library, data = self._library, svg.encode()
        picture = library.tvg_picture_new()
        _checked(library.tvg_picture_load_data(picture, data, len(data), b"svg", None, True), "read the document")
        width_px, height_px = self._size_px
        _checked(library.tvg_picture_set_size(picture, width_px, height_px), "scale the document")
        _checked(library.tvg_canvas_add(self._canvas, picture), "add the document")
        _checked(library.tvg_canvas_draw(self._canvas, self._is_blank), "draw")
        _checked(library.tvg_canvas_sync(self._canvas), "draw")
        _checked(library.tvg_canvas_remove(self._canvas, picture), "remove the document")
        self._is_blank = False

    def image(self) -> Image.Image:
        """A copy of what is painted so far, with premultiplied alpha."""
        return Image.frombytes("RGBA", self._size_px, memoryview(self._pixels).cast("B"))

    def reduced_image(self, side_px_max: int) -> Image.Image:
        """What is painted so far on white, reduced by a whole number until no side is longer than `side_px_max`."""
        factor = -(-max(self._size_px) // side_px_max)
        # Alpha is premultiplied, so all four bands are reduced in the same way. Nothing is copied before.
        data: Any = memoryview(self._pixels).cast("B")  # Pillow takes any buffer, and its types only know bytes
        whole = Image.frombuffer("RGBX", self._size_px, data, "raw", "RGBX", 0, 1)
        *colours, alpha = whole.reduce(factor).split()
        paper = ImageChops.invert(alpha)
        return Image.merge("RGB", [ImageChops.add(colour, paper) for colour in colours])

    def opaque_image(self) -> Image.Image:
        """A copy of what is painted so far, if that covers the picture wholly."""
        return Image.frombytes("RGB", self._size_px, memoryview(self._pixels).cast("B"), "raw", "RGBX")


def _checked(result: int, action: str) -> None:
    if result != 0:
        raise PaintingFailed(f"ThorVG could not {action} ({result})")
