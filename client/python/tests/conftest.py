from __future__ import annotations

from collections.abc import Iterator

import programs
import pytest


@pytest.fixture(scope="session")
def sandbox() -> Iterator[programs.Sandbox]:
    sandbox = programs.Sandbox()
    yield sandbox
    sandbox.stop()


@pytest.fixture(scope="session")
def sandbox_service(sandbox: programs.Sandbox) -> Iterator[programs.Service]:
    """Without retries and local rates, so that one delete says nothing about the next."""
    settings = {"TICKETING_MAX_ATTEMPTS": "1", "TICKETING_TOKEN_RATE": "0", "TICKETING_ACCOUNT_RATE": "0"}
    service = programs.Service(sandbox.url, settings, token=programs.Sandbox.TOKEN)
    yield service
    service.stop()


@pytest.fixture(scope="session")
def upstream() -> Iterator[programs.Upstream]:
    upstream = programs.Upstream()
    yield upstream
    upstream.stop()
