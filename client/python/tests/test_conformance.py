"""The cases that all callers share: tests/conformance/README.md."""

from __future__ import annotations

import base64
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import programs
import pytest
from google.protobuf import json_format

import ticketing_user
from ticketing_user import DeleteTicketingUserResponse, ErrorReason, TrutoResponseFormat
from ticketing_user.v1.ticketing_user_service_pb2 import StreamHeader

TABLE = json.loads(
    (pathlib.Path(__file__).parents[3] / "tests" / "conformance" / "cases.json").read_text(encoding="utf-8")
)
OF_ALL_ERRORS = {"request_id", "attempts", "delivery", "origin", "http_status"}

Start = Callable[[str], programs.Service]


@pytest.fixture(scope="module")
def start(upstream: programs.Upstream) -> Iterator[Start]:
    """Starts a service of the table once."""
    running: dict[str, programs.Service] = {}

    def start(name: str) -> programs.Service:
        if name not in running:
            running[name] = programs.Service(upstream.url, TABLE["services"][name])
        return running[name]

    yield start
    for service in running.values():
        service.stop()


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: case["name"])
def test_case(case: dict[str, Any], start: Start, upstream: programs.Upstream) -> None:
    service = start(case.get("service", "default"))
    upstream.play(case.get("upstream", []))
    # What gRPC would send again is another row's subject.
    options = [("grpc.enable_retries", 0)]
    with ticketing_user.connect(service.address, plaintext=True, token=case.get("token"), options=options) as client:
        for request in case.get("before", []):
            client.delete(**arguments(request))
        try:
            if case.get("stream"):
                actual, request_id = stream(client, case["request"])
            else:
                answer = client.delete(**arguments(case["request"]))
                request_id = answer.report.request_id
                actual = {"response": strip(answer)}
        except ticketing_user.DeleteError as error:
            actual, request_id = {"error": plain(error)}, error.request_id
    assert [request.target for request in upstream.received] == case["wire"]
    expected_headers = {"authorization": f"Bearer {case.get('token', programs.TOKEN)}", **TABLE["headers"]}
    for request in upstream.received:
        assert request.method == "DELETE"
        assert {name: request.headers.get(name) for name in expected_headers} == expected_headers
        assert request.headers["idempotency-key"] == request_id
    if upstream.received and "request_id" in case["request"]:
        assert request_id == case["request"]["request_id"]
    assert actual == expected(case)


def arguments(request: dict[str, Any]) -> dict[str, Any]:
    """The helper's arguments for a request in protobuf's JSON."""
    known = dict(request)
    if "collections" in known:
        known["collections"] = [collection["id"] for collection in known["collections"]]
    if "organization" in known:
        known["organization"] = known["organization"]["id"]
    if "truto_response_format" in known:
        known["truto_response_format"] = TrutoResponseFormat.Value(known["truto_response_format"])
    return known


def expected(case: dict[str, Any]) -> dict[str, Any]:
    """Read into messages and written again, so that only values count."""
    if "error" in case:
        return {"error": case["error"]}
    response = strip(json_format.ParseDict(case["response"], DeleteTicketingUserResponse()))
    if not case.get("stream"):
        return {"response": response}
    header = json_format.ParseDict(case["header"], StreamHeader()) if "header" in case else None
    return {"header": header, "body": base64.b64decode(case.get("chunks", "")), "response": response}


def stream(client: ticketing_user.Client, request: dict[str, Any]) -> tuple[dict[str, Any], str]:
    with client.delete_stream(**arguments(request)) as answer:
        body = b"".join(answer)
        request_id = answer.summary.report.request_id
        return {"header": answer.header, "body": body, "response": strip(answer.summary)}, request_id


def strip(response: DeleteTicketingUserResponse) -> DeleteTicketingUserResponse:
    """Without what differs from call to call."""
    for name in ("request_id", "queued", "upstream", "total"):
        response.report.ClearField(name)
    if response.HasField("planned_request"):
        response.planned_request.headers.pop("user-agent")
        response.planned_request.url = "/unified" + response.planned_request.url.partition("/unified")[2]
    return response


def plain(error: ticketing_user.DeleteError) -> dict[str, Any]:
    """As in the table, where what is absent is left out."""
    assert ErrorReason.Name(error.reason) == f"ERROR_REASON_{error.reason_name}"
    all_parts = {
        "code": error.code.name,
        "message": error.message,
        "reason": error.reason_name,
        "advice": error.advice,
        "retry_after_ms": None if error.retry_after is None else int(error.retry_after.total_seconds() * 1000),
        "delivery": error.delivery.value,
        "origin": error.origin.value,
        "attempts": error.attempts,
        "http_status": error.http_status,
        "field_violations": [violation._asdict() for violation in error.field_violations],
        "metadata": {key: value for key, value in error.metadata.items() if key not in OF_ALL_ERRORS},
    }
    return {key: value for key, value in all_parts.items() if value is not None and value not in ([], {})}


def test_every_reason_is_in_the_table() -> None:
    """A new reason needs a case, or a word where else it is provoked."""
    seen = {case["error"]["reason"] for case in TABLE["cases"] if "error" in case}
    elsewhere = set(TABLE["reasons_elsewhere"])
    assert not seen & elsewhere
    all_reasons = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()} - {"UNSPECIFIED"}
    assert seen | elsewhere == all_reasons
