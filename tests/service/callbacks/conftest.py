"""Fixtures shared by the tests of callbacks."""

from collections.abc import Iterator

import pytest

from tests.support.callback_receiver import CallbackReceiver, receiving
from tests.support.data_folders import prepared_folder, reachable_folder
from tests.support.running_service import Service


@pytest.fixture(scope="module")
def receiver() -> Iterator[CallbackReceiver]:
    """A receiver of callbacks with TLS."""
    with reachable_folder() as folder, receiving(folder) as running:
        yield running


@pytest.fixture(scope="module")
def calling(receiver: CallbackReceiver) -> Iterator[Service]:
    """A service that can call the receiver."""
    with prepared_folder() as folder, Service(folder, **receiver.settings()) as running:
        yield running
        running.audit()
