"""The previews of one drawing: the child is asked for them once somebody wants one, and the latest is kept.

Until then the child makes none, so a drawing that nobody watches costs no more.
"""

from easel.engines.engine import OfferPreview, Pixels
from easel.engines.sdcpp.frames import FrameWrong, Kind
from easel.engines.sdcpp.messages import PREVIEW_PIXEL_PX, DrawOrder, WatchOrder, decode_picture, encode
from easel.engines.sdcpp.process import ChildProcess


class Watching:
    """The previews of the drawing that `child` makes for `order`."""

    def __init__(self, child: ChildProcess, order: DrawOrder, offer_preview: OfferPreview) -> None:
        self._child = child
        self._order = order
        self._offer_preview = offer_preview
        self._is_ordered = False
        self._latest: Pixels | None = None

    def offer(self) -> None:
        """Offer the latest preview. Raises ChildDied."""
        self._offer_preview(self._take)

    def received(self, content: bytes) -> None:
        """Keep the preview of a frame. Raises FrameWrong if it does not have the shape of the canvas."""
        preview = decode_picture(content)
        if preview.number != self._order.number:
            return
        wanted_px = (self._order.width_px // PREVIEW_PIXEL_PX, self._order.height_px // PREVIEW_PIXEL_PX)
        if (preview.width_px, preview.height_px) != wanted_px:
            raise FrameWrong("it sent a preview of another size than the canvas has")
        self._latest = Pixels(preview.width_px, preview.height_px, preview.rgb)

    def _take(self) -> Pixels | None:
        """The latest preview, once."""
        if not self._is_ordered:
            self._is_ordered = True
            self._child.send(Kind.WATCH, encode(WatchOrder(self._order.number)))
        latest, self._latest = self._latest, None
        return latest
