"""The client's reader of server-sent events: what it makes of any stream, however it is cut into pieces."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.client.event_reader import EVENT_BYTES_MAX, EventReader, EventTooLong

STREAM = b"retry: 1000\n\nid: pending-1\nevent: pending\ndata: {}\n\n: heartbeat\n\nid: completed\ndata: a\ndata: b\n\n"


def read(*pieces: bytes) -> list[tuple[str, str]]:
    reader = EventReader()
    return [(event.name, event.data) for piece in pieces for event in reader.feed(piece)]


@given(st.lists(st.integers(0, len(STREAM)), max_size=6), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_the_cuts_and_the_line_ends_of_a_stream_do_not_matter(cuts: list[int], line_end: bytes) -> None:
    stream = STREAM.replace(b"\n", line_end)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in itertools.pairwise(edges)]
    # A carriage return at the very end may be half of a line's end, so the last event waits for one more byte.
    assert read(*pieces, b":") == [("pending", "{}"), ("message", "a\nb")]


def test_the_latest_id_is_kept() -> None:
    reader = EventReader()
    assert len(list(reader.feed(STREAM))) == 2
    assert reader.last_id == "completed"
    assert len(list(reader.feed(b"data: without an id\n\n"))) == 1
    assert reader.last_id == "completed"


def test_an_endless_event_is_refused() -> None:
    reader = EventReader()
    with pytest.raises(EventTooLong):
        list(reader.feed(b"data: " + b"x" * EVENT_BYTES_MAX))
