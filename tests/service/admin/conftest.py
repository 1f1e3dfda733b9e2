"""Fixtures for operators over HTTP."""

from collections.abc import Iterator

import httpx2
import pytest

from tests.support.running_service import Service


@pytest.fixture
def admin(service: Service, account: str) -> Iterator[httpx2.Client]:
    """A client with a key of the account that may do everything."""
    scopes = ("--scope", "admin", "--scope", "generate", "--scope", "read")
    with service.client(service.new_key(account, "10", *scopes)) as client:
        yield client


@pytest.fixture(scope="session")
def operator_key(service: Service) -> str:
    """A key that may only operate the service."""
    return service.new_key("operators", "1", "--scope", "admin")


@pytest.fixture(scope="session")
def ordinary_key(service: Service) -> str:
    """A key without the scope `admin`."""
    return service.new_key("visitors")
