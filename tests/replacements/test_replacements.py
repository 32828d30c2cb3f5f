"""What README.md says of the endpoint page's samples, with the code that it shows."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

import programs
import pytest

README = pathlib.Path(__file__).parents[2] / "README.md"
HIVE = "2e9f3a5d-7b8c-4f6e-b4da-3c2a1f0e9d33"
ADA, PRIYA, EVA = "nKqyGsBwaFCyJvCKz", "teams/ops 7", "hT8vNcRj4MwQgXb6A"

SAMPLES = ["curl", "fetch", "requests"]
"""Those that run as they are. The clients of Truto are not among this project's packages."""
CLIENTS = ["TypeScript client", "Python client"]


class Code(NamedTuple):
    language: str
    text: str


class Request(NamedTuple):
    """What has to be the same. The sandbox shows no token, but refuses a wrong one, and any body."""

    method: str
    target: str
    content_type: list[str]
    status: int


def recorded(user: str) -> Request:
    """What Truto's clients make of their samples, read in the sandbox's log: truto-ts-sdk 2.0.12, with the arguments that
    it takes, and truto-python-sdk 0.1.1. The first has no Content-Type where there is no body."""
    return Request("DELETE", f"/unified/ticketing/users/{user}?integrated_account_id={HIVE}", ["application/json"], 200)


def read_pairs() -> dict[str, tuple[Code, Code]]:
    """By the name of the sample: it, and what replaces it."""
    _, _, section = README.read_text(encoding="utf-8").partition("\n## Replacing what people use today\n")
    section = section.partition("\n## ")[0]
    pairs = {}
    for part in section.split("\n### ")[1:]:
        name = part.partition("\n")[0]
        sample, replacement = (Code(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", part, re.M | re.S))
        pairs[name] = (sample, replacement)
    return pairs


PAIRS = read_pairs()


@pytest.fixture(scope="session")
def sandbox() -> Iterator[programs.Sandbox]:
    sandbox = programs.Sandbox()
    yield sandbox
    sandbox.stop()


@pytest.fixture(scope="session")
def service(sandbox: programs.Sandbox) -> Iterator[programs.Service]:
    settings = {"TICKETING_TOKEN_RATE": "0", "TICKETING_ACCOUNT_RATE": "0"}
    service = programs.Service(sandbox.url, settings, token=programs.Sandbox.TOKEN)
    yield service
    service.stop()


class Run:
    """Runs code of the page for a user, and sees what it prints and what arrives."""

    def __init__(self, sandbox: programs.Sandbox, service: programs.Service, folder: pathlib.Path) -> None:
        self._sandbox, self._service, self._folder = sandbox, service, folder
        (folder / "node_modules").symlink_to(os.environ["TICKETING_NODE_MODULES"])

    def __call__(self, code: Code, user: str) -> subprocess.CompletedProcess[str]:
        text = code.text
        for placeholder, value in {
            "https://api.truto.one": self._sandbox.url,
            "localhost:50051": self._service.address,
            "<your_api_token>": programs.Sandbox.TOKEN,
            "<integrated_account_id>": HIVE,
            "<resource_id>": user,
            "{id}": user,
        }.items():
            text = text.replace(placeholder, value)
        name, program = {
            "sh": ("code.sh", "bash"),
            "js": ("code.mjs", "node"),
            "ts": ("code.mjs", "node"),
            "python": ("code.py", sys.executable),
        }[code.language]
        file = self._folder / name
        file.write_text(text, encoding="utf-8")
        self._sandbox.reset()
        self._sandbox_request("DELETE")
        path = f"{pathlib.Path(os.environ['TICKETING_USER']).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "TICKETING_SERVER": self._service.address}
        return subprocess.run([program, str(file)], capture_output=True, text=True, env=environment)

    def received(self) -> list[Request]:
        """Since the code began to run."""
        return [
            Request(request["method"], request["target"], request["headers"].get("content-type", []), request["status"])
            for request in self._sandbox_request("GET")["requests"]
        ]

    def _sandbox_request(self, method: str) -> Any:
        request = urllib.request.Request(f"{self._sandbox.url}/sandbox/requests", method=method)
        with urllib.request.urlopen(request) as answer:
            body = answer.read()
        return json.loads(body) if body else None


@pytest.fixture
def run(sandbox: programs.Sandbox, service: programs.Service, tmp_path: pathlib.Path) -> Run:
    return Run(sandbox, service, tmp_path)


def test_every_sample_of_the_endpoint_page_has_its_replacement() -> None:
    assert list(PAIRS) == SAMPLES + CLIENTS


@pytest.mark.parametrize("name", SAMPLES)
def test_the_same_request_is_on_the_wire(run: Run, name: str) -> None:
    sample, replacement = PAIRS[name]
    assert run(sample, ADA).returncode == 0
    expected = run.received()
    assert expected == [recorded(ADA)]
    done = run(replacement, ADA)
    assert (done.returncode, done.stderr) == (0, "")
    assert run.received() == expected
    assert "Ada Lovelace" in done.stdout


@pytest.mark.parametrize("name", CLIENTS)
def test_the_same_request_as_the_clients_is_on_the_wire(run: Run, name: str) -> None:
    done = run(PAIRS[name][1], ADA)
    assert (done.returncode, done.stderr) == (0, "")
    assert run.received() == [recorded(ADA)]
    assert "Ada Lovelace" in done.stdout


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_takes_an_id_for_a_part_of_the_address(run: Run, name: str) -> None:
    run(PAIRS[name][0], "../accounts/1")
    assert [request.target.partition("?")[0] for request in run.received()] == ["/unified/ticketing/accounts/1"]


@pytest.mark.parametrize("name", PAIRS)
def test_a_replacement_takes_any_id_for_an_id(run: Run, name: str) -> None:
    done = run(PAIRS[name][1], PRIYA)
    assert (done.returncode, done.stderr) == (0, "")
    assert run.received() == [recorded("teams%2Fops%207")]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_takes_an_error_for_a_success(run: Run, name: str) -> None:
    done = run(PAIRS[name][0], "provoke-409")
    assert (done.returncode, [request.status for request in run.received()]) == (0, [409])
    assert "Conflict" in done.stdout


@pytest.mark.parametrize("name", PAIRS)
def test_a_replacement_fails_with_a_reason(run: Run, name: str) -> None:
    done = run(PAIRS[name][1], "provoke-409")
    assert done.returncode != 0
    assert "CONFLICT" in done.stderr
    assert len(run.received()) == 1


@pytest.mark.parametrize("name", ["fetch", "requests"])
def test_a_sample_fails_after_a_delete_without_a_body(run: Run, name: str) -> None:
    done = run(PAIRS[name][0], EVA)
    assert (done.returncode, [request.status for request in run.received()]) == (1, [204])


@pytest.mark.parametrize("name", PAIRS)
def test_a_replacement_knows_a_delete_without_a_body(run: Run, name: str) -> None:
    done = run(PAIRS[name][1], EVA)
    assert (done.returncode, done.stderr) == (0, "")
    assert [request.status for request in run.received()] == [204]


@pytest.mark.parametrize("name", PAIRS)
def test_a_replacement_tells_a_delete_of_its_own_from_an_absent_user(run: Run, name: str) -> None:
    done = run(PAIRS[name][1], "provoke-502-then-404")
    assert done.returncode != 0
    assert "ABSENT_AFTER_AMBIGUOUS_ATTEMPT" in done.stderr
    assert [request.status for request in run.received()] == [502, 404]
