"""What the helper promises, against the real service."""

from __future__ import annotations

import datetime
import importlib.util
import json
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import grpc
import programs
import pytest
import trustme
from google.rpc import error_details_pb2, status_pb2

import ticketing_user
from ticketing_user import DeleteError, DeleteOutcome, Delivery, ErrorReason, Origin, TrutoResponseFormat
from ticketing_user.v1.ticketing_user_service_pb2 import DeleteTicketingUserStreamResponse, StreamHeader

HELP_SCOUT = "62f44730-dd91-461e-bd6a-aedd9e0ad79d"
ACCOUNT = "5f0c1e2d-0000-4000-8000-000000001000"
NO_RATES = {"TICKETING_TOKEN_RATE": "0", "TICKETING_ACCOUNT_RATE": "0"}
ONE_ATTEMPT = NO_RATES | {"TICKETING_MAX_ATTEMPTS": "1"}
OK: dict[str, Any] = {"status": 200, "headers": {"content-type": "application/json"}, "body": '{"id":"42"}'}


@pytest.fixture
def client(sandbox: programs.Sandbox, sandbox_service: programs.Service) -> Iterator[ticketing_user.Client]:
    sandbox.reset()
    with ticketing_user.connect(sandbox_service.address, plaintext=True) as client:
        yield client


@pytest.fixture(scope="module")
def one_attempt(upstream: programs.Upstream) -> Iterator[programs.Service]:
    service = programs.Service(upstream.url, ONE_ATTEMPT)
    yield service
    service.stop()


# Success


def test_a_user_is_deleted(client: ticketing_user.Client) -> None:
    answer = client.delete("23423524", HELP_SCOUT, truto_ignore_remote_data=True)
    assert answer.outcome == DeleteOutcome.DELETE_OUTCOME_DELETED
    assert answer.user.name == "Ana Souza"
    assert answer.report.attempts == 1
    with pytest.raises(DeleteError) as caught:
        client.delete("23423524", HELP_SCOUT)
    assert caught.value.reason == ErrorReason.ERROR_REASON_USER_NOT_FOUND


@pytest.mark.parametrize(
    ("response_format", "result"),
    [
        ("UNSPECIFIED", "user"),
        ("UNIFIED", "user"),
        ("NORMALIZED", "user"),
        ("RAW", "raw"),
        ("STREAM", "raw"),
        ("DEBUG", "debug"),
    ],
)
def test_every_response_format(client: ticketing_user.Client, response_format: str, result: str) -> None:
    answer = client.delete(
        "23423524",
        HELP_SCOUT,
        truto_response_format=getattr(TrutoResponseFormat, f"TRUTO_RESPONSE_FORMAT_{response_format}"),
        include_http_body=True,
    )
    assert answer.outcome == DeleteOutcome.DELETE_OUTCOME_DELETED
    # Help Scout's own answer to a delete has no body.
    assert answer.WhichOneof("result") == (None if response_format == "RAW" else result)
    assert bool(answer.http_body.data) == (response_format != "RAW")


def test_a_message_is_not_changed(client: ticketing_user.Client) -> None:
    request = ticketing_user.DeleteTicketingUserRequest(id="23423524", integrated_account_id=HELP_SCOUT)
    answer = client.delete_request(request)
    assert request.request_id == ""
    assert len(answer.report.request_id) == 36


# Streams


def test_a_stream_is_handed_on_whole(client: ticketing_user.Client) -> None:
    with client.delete_stream(
        "23423524",
        HELP_SCOUT,
        truto_response_format=TrutoResponseFormat.TRUTO_RESPONSE_FORMAT_STREAM,
        remote_query={"sandbox_stream_bytes": "5000000"},
    ) as stream:
        assert stream.header is not None and stream.header.http_status == 200
        with pytest.raises(RuntimeError, match="once all of its pieces were read"):
            _ = stream.summary
        pieces = list(stream)
    assert sum(map(len, pieces)) == 5_000_000
    assert len(pieces) > 1
    assert stream.summary.outcome == DeleteOutcome.DELETE_OUTCOME_DELETED
    assert list(stream.summary.report.notes) == []


def test_a_stream_need_not_be_read_to_its_end(client: ticketing_user.Client) -> None:
    with client.delete_stream(
        "23423524",
        HELP_SCOUT,
        truto_response_format=TrutoResponseFormat.TRUTO_RESPONSE_FORMAT_STREAM,
        remote_query={"sandbox_stream_bytes": "1000000000"},
    ) as stream:
        assert next(iter(stream))
    with pytest.raises(DeleteError) as caught:
        list(stream)
    assert caught.value.code is grpc.StatusCode.CANCELLED


def test_a_planned_stream_has_a_summary_alone(client: ticketing_user.Client) -> None:
    with client.delete_stream("23423524", HELP_SCOUT, validate_only=True) as stream:
        assert stream.header is None
        assert list(stream) == []
    assert stream.summary.planned_request.method == "DELETE"


def test_a_stream_without_a_summary_is_an_error() -> None:
    header = DeleteTicketingUserStreamResponse(header=StreamHeader(http_status=200))
    stream = ticketing_user.DeleteStream(iter([header]), "mine")
    assert stream.header is not None and stream.header.http_status == 200
    for call in (lambda: list(stream), lambda: ticketing_user.DeleteStream(iter([]), "mine")):
        with pytest.raises(DeleteError) as caught:
            call()
        assert caught.value.code is grpc.StatusCode.UNKNOWN
        assert caught.value.message == "the stream ended before its summary"
        assert (caught.value.delivery, caught.value.request_id) == (Delivery.UNKNOWN, "mine")


def test_a_stream_without_a_header_loses_nothing() -> None:
    events = [
        DeleteTicketingUserStreamResponse(chunk=b"a"),
        DeleteTicketingUserStreamResponse(chunk=b"b"),
        # Of a service that is newer.
        DeleteTicketingUserStreamResponse(),
        DeleteTicketingUserStreamResponse(summary={"outcome": DeleteOutcome.DELETE_OUTCOME_DELETED}),
    ]
    stream = ticketing_user.DeleteStream(iter(events), "mine")
    assert stream.header is None
    assert list(stream) == [b"a", b"b"]
    assert stream.summary.outcome == DeleteOutcome.DELETE_OUTCOME_DELETED
    assert list(stream) == []


# Errors


def test_no_answer_is_an_error_that_admits_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    with (
        ticketing_user.connect(address, plaintext=True, options=[("grpc.enable_retries", 0)]) as client,
        pytest.raises(DeleteError) as caught,
    ):
        client.delete("42", ACCOUNT)
    error = caught.value
    assert error.code is grpc.StatusCode.UNAVAILABLE
    assert error.reason == ErrorReason.ERROR_REASON_UNSPECIFIED
    assert (error.delivery, error.origin, error.attempts) == (Delivery.UNKNOWN, Origin.UNSPECIFIED, None)
    assert len(error.request_id) == 36
    assert "request_id" in error.advice


class FakeError(grpc.RpcError, grpc.Call):
    """An answer of a service that is newer, or broken."""

    def __init__(self, details: bytes) -> None:
        self._details = details

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.ABORTED

    def details(self) -> str:
        return "text"

    def trailing_metadata(self) -> Any:
        return (("grpc-status-details-bin", self._details),)

    def initial_metadata(self) -> Any:
        return ()

    def is_active(self) -> bool:
        return False

    def time_remaining(self) -> float:
        return 0

    def cancel(self) -> bool:
        return False

    def add_callback(self, callback: Any) -> bool:
        return False


def test_a_reason_that_is_new_keeps_its_name() -> None:
    status = status_pb2.Status()
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(
            reason="NEW",
            domain="ticketing.v1.TicketingUserService",
            metadata={"delivery": "NEW", "origin": "NEW", "attempts": "many", "request_id": "r"},
        )
    )
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    status.details.add().Pack(retry)
    error = DeleteError(FakeError(status.SerializeToString()), "mine")
    assert error.reason == ErrorReason.ERROR_REASON_UNSPECIFIED
    assert error.reason_name == "NEW"
    assert str(error) == "NEW: text"
    assert (error.delivery, error.origin, error.attempts) == (Delivery.UNKNOWN, Origin.UNSPECIFIED, None)
    assert error.request_id == "r"
    assert error.retry_after == datetime.timedelta(seconds=1.5)


def test_details_that_are_broken_are_as_if_they_were_not_there() -> None:
    status = status_pb2.Status()
    for kind in ("ErrorInfo", "RetryInfo", "Help", "BadRequest"):
        status.details.add(type_url=f"type.googleapis.com/google.rpc.{kind}", value=b"\xff\xff")
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromSeconds(1)
    status.details.add().Pack(retry)
    error = DeleteError(FakeError(status.SerializeToString()), "mine")
    assert str(error) == "ABORTED: text"
    assert (error.delivery, error.field_violations) == (Delivery.UNKNOWN, ())
    assert "no answer of its own" in error.advice
    assert error.retry_after == datetime.timedelta(seconds=1)


def test_details_that_are_somebody_elses_are_not_read() -> None:
    status = status_pb2.Status()
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="USER_NOT_FOUND", domain="elsewhere"))
    for details in (status.SerializeToString(), b"\xff\xff"):
        error = DeleteError(FakeError(details), "mine")
        assert (error.reason_name, error.delivery, error.request_id) == ("", Delivery.UNKNOWN, "mine")


# Deadlines


def test_a_deadline_after_the_request_was_sent(one_attempt: programs.Service, upstream: programs.Upstream) -> None:
    upstream.play([{"hang": True}])
    with ticketing_user.connect(one_attempt.address, plaintext=True) as client:
        # The deadline is not for the connection.
        client.delete("42", ACCOUNT, validate_only=True)
        with pytest.raises(DeleteError) as caught:
            client.delete("42", ACCOUNT, timeout=3)
    assert len(upstream.received) == 1
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert caught.value.delivery is Delivery.UNKNOWN
    # A machine that is busy may keep the service's own answer from arriving in time.
    assert caught.value.reason_name in ("DEADLINE_EXCEEDED_OUTCOME_UNKNOWN", "")


def test_a_deadline_too_short_to_send_anything(one_attempt: programs.Service, upstream: programs.Upstream) -> None:
    upstream.play([OK])
    with ticketing_user.connect(one_attempt.address, plaintext=True) as client:
        with pytest.raises(DeleteError) as caught:
            client.delete("42", ACCOUNT, timeout=0.05)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert upstream.received == []


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e300, None])
def test_a_deadline_that_is_none_is_refused(one_attempt: programs.Service, timeout: Any) -> None:
    with ticketing_user.connect(one_attempt.address, plaintext=True) as client:
        for call in (client.delete, client.delete_stream):
            with pytest.raises(ValueError, match=re.escape(f"timeout: {timeout} is not between 0 and 2147483647")):
                call("42", ACCOUNT, validate_only=True, timeout=timeout)


# Retries


def test_the_services_push_back_is_heeded(one_attempt: programs.Service, upstream: programs.Upstream) -> None:
    upstream.play([{"status": 425}, OK])
    with ticketing_user.connect(one_attempt.address, plaintext=True) as client:
        answer = client.delete("42", ACCOUNT)
    assert answer.outcome == DeleteOutcome.DELETE_OUTCOME_DELETED
    first, second = upstream.received
    # The service says 1 s; the client's own back-off would be at most 0.12 s.
    assert second.time - first.time >= 1
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == answer.report.request_id


def test_a_push_back_of_nothing_is_heeded_at_once(one_attempt: programs.Service, upstream: programs.Upstream) -> None:
    # gRPC's C core does not repeat after a push-back of 0: the call would hang until its deadline.
    upstream.play([{"status": 425, "headers": {"retry-after": "0"}}, OK])
    with ticketing_user.connect(one_attempt.address, plaintext=True) as client:
        client.delete("42", ACCOUNT)
    assert len(upstream.received) == 2


def test_a_stream_is_repeated_likewise(one_attempt: programs.Service, upstream: programs.Upstream) -> None:
    upstream.play([{"status": 425}, OK])
    with ticketing_user.connect(one_attempt.address, plaintext=True) as client:
        with client.delete_stream("42", ACCOUNT) as stream:
            assert b"".join(stream) == OK["body"].encode()
    first, second = upstream.received
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


@pytest.mark.parametrize(("status", "retry_after"), [(429, "1"), (500, None), (409, None)])
def test_nothing_else_is_repeated(
    one_attempt: programs.Service, upstream: programs.Upstream, status: int, retry_after: str | None
) -> None:
    upstream.play([{"status": status, "headers": {"retry-after": retry_after} if retry_after else {}}, OK])
    with ticketing_user.connect(one_attempt.address, plaintext=True) as client:
        with pytest.raises(DeleteError):
            client.delete("42", ACCOUNT)
    assert len(upstream.received) == 1


def test_a_repeat_after_a_replica_that_died_does_not_hide_its_delete(upstream: programs.Upstream) -> None:
    # Its token tells which one has sent the request.
    services = {token: programs.Service(upstream.url, ONE_ATTEMPT, token=token) for token in ("first", "second")}
    try:
        absent = {"statusCode": 404, "error": "Not Found", "message": "No such user"}
        upstream.play([{"hang": True}, {"status": 404, "body": json.dumps(absent)}])
        target = "ipv4:" + ",".join(service.address for service in services.values())
        with ticketing_user.connect(target, plaintext=True) as client:
            errors: list[DeleteError] = []

            def delete() -> None:
                with pytest.raises(DeleteError) as caught:
                    client.delete("42", ACCOUNT)
                errors.append(caught.value)

            call = threading.Thread(target=delete)
            call.start()
            services[upstream.wait_for_request().headers["authorization"].removeprefix("Bearer ")].stop()
            call.join()
    finally:
        for service in services.values():
            service.stop()
    assert len({request.headers["idempotency-key"] for request in upstream.received}) == 1
    assert len(upstream.received) == 2
    assert errors[0].reason == ErrorReason.ERROR_REASON_ABSENT_AFTER_AMBIGUOUS_ATTEMPT
    assert errors[0].delivery is Delivery.UNKNOWN
    assert errors[0].metadata["previous_rpc_attempts"] == "1"


def test_calls_go_to_all_addresses_that_stay() -> None:
    # Each says in its plan where it would send the request. The end comes long after the test.
    services = [programs.Service(f"http://127.0.0.1:{port}", {"TICKETING_DRAIN_DELAY": "10m"}) for port in (1, 2)]
    try:
        target = "ipv4:" + ",".join(service.address for service in services)
        with ticketing_user.connect(target, plaintext=True) as client:

            def called() -> str:
                return client.delete("42", ACCOUNT, validate_only=True).planned_request.url.split("/unified")[0]

            assert any(called().endswith(":1") for _ in range(10_000))
            assert any(called().endswith(":2") for _ in range(10_000))
            services[0].terminate()
            # In turn it would be called again at once.
            assert any(all(called().endswith(":2") for _ in range(20)) for _ in range(10_000))
    finally:
        for service in services:
            service.stop()


# Values that must survive


@pytest.mark.parametrize("value", [2**53 + 1, -(2**63), 10**400])
def test_an_integer_that_would_change_is_refused(client: ticketing_user.Client, value: int) -> None:
    with pytest.raises(ValueError, match=r"remote_query\.a\[1\]: .* give it as a string"):
        client.delete("42", ACCOUNT, remote_query={"a": [1, value]})


def test_what_is_no_json_is_refused(client: ticketing_user.Client) -> None:
    with pytest.raises(TypeError, match=r"remote_query\.a: a datetime is no JSON"):
        client.delete("42", ACCOUNT, remote_query={"a": datetime.datetime.now()})


def test_a_cycle_is_refused(client: ticketing_user.Client) -> None:
    twice = {"a": 1}
    client.delete("42", ACCOUNT, remote_query={"b": twice, "c": [twice, twice]}, validate_only=True)
    cycle: dict[str, Any] = {"a": [1]}
    cycle["a"].append({"b": cycle["a"]})
    with pytest.raises(TypeError, match=r"^remote_query\.a\[1\]\.b: has itself within$"):
        client.delete("42", ACCOUNT, remote_query=cycle, validate_only=True)


@pytest.mark.parametrize(
    ("mistake", "complaint"),
    [
        ({"id": 42}, "id: takes a string, not int"),
        ({"integrated_account_id": None}, "integrated_account_id: takes a string, not NoneType"),
        ({"collections": "99"}, "collections: takes a list of strings, not str"),
        ({"collections": {"id": "99"}}, "collections: takes a list of strings, not dict"),
        ({"collections": 99}, "collections: takes a list of strings, not int"),
        ({"collections": ["98", {"id": "99"}]}, "collections[1]: takes a string, not dict"),
        ({"collections": [99]}, "collections[0]: takes a string, not int"),
        ({"organization": {"id": "1"}}, "organization: takes a string, not dict"),
        ({"truto_response_format": "RAW"}, "truto_response_format: takes a number, not str"),
        ({"truto_exclude_fields": "id"}, "truto_exclude_fields: takes a list of strings, not str"),
        ({"truto_exclude_fields": [5]}, "truto_exclude_fields[0]: takes a string, not int"),
        ({"remote_query": "abc"}, "remote_query: takes a mapping, not str"),
        ({"remote_query": {1: "a"}}, "remote_query: takes strings as names, not int"),
        ({"remote_query": {"a": [{None: "a"}]}}, "remote_query.a[0]: takes strings as names, not NoneType"),
        ({"truto_ignore_remote_data": "false"}, "truto_ignore_remote_data: takes True or False, not str"),
        ({"truto_skip_api_call": 0}, "truto_skip_api_call: takes True or False, not int"),
        ({"allow_missing": "false"}, "allow_missing: takes True or False, not str"),
        ({"validate_only": None}, "validate_only: takes True or False, not NoneType"),
        ({"request_id": uuid.UUID(int=1)}, "request_id: takes a string, not UUID"),
    ],
)
def test_a_field_of_another_type_is_refused(
    client: ticketing_user.Client, mistake: dict[str, Any], complaint: str
) -> None:
    fields = {"id": "42", "integrated_account_id": ACCOUNT} | mistake
    for call in (client.delete, client.delete_stream):
        with pytest.raises(TypeError, match=f"^{re.escape(complaint)}$"):
            call(**fields)


# TLS and tokens


class Certificates:
    def __init__(self, folder: pathlib.Path) -> None:
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.folder = folder
        authority.cert_pem.write_to_path(folder / "ca.pem")
        for name in ("ticketing.example", "allowed.example", "other.example"):
            certificate = authority.issue_cert(name, key_type=trustme.KeyType.ECDSA)
            certificate.private_key_pem.write_to_path(folder / f"{name}.key")
            for pem in certificate.cert_chain_pems:
                pem.write_to_path(folder / f"{name}.pem", append=True)

    def of_service(self) -> dict[str, str]:
        return {
            "TICKETING_TLS_CERT_FILE": str(self.folder / "ticketing.example.pem"),
            "TICKETING_TLS_KEY_FILE": str(self.folder / "ticketing.example.key"),
        }

    def of_caller(self, name: str) -> dict[str, Any]:
        return {"certificate_file": self.folder / f"{name}.pem", "key_file": self.folder / f"{name}.key"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def mutual_tls(upstream: programs.Upstream, certificates: Certificates) -> Iterator[programs.Service]:
    service = programs.Service(
        upstream.url,
        certificates.of_service()
        | {
            "TICKETING_TLS_CLIENT_CA_FILE": str(certificates.folder / "ca.pem"),
            "TICKETING_ALLOWED_CLIENTS": "allowed.example",
        },
    )
    yield service
    service.stop()


def connect_with_tls(service: programs.Service, certificates: Certificates, **options: Any) -> ticketing_user.Client:
    return ticketing_user.connect(
        service.address, ca_file=certificates.folder / "ca.pem", server_name="ticketing.example", **options
    )


def test_a_caller_with_a_certificate_is_let_in(
    mutual_tls: programs.Service, certificates: Certificates, upstream: programs.Upstream
) -> None:
    upstream.play([OK])
    with connect_with_tls(mutual_tls, certificates, **certificates.of_caller("allowed.example")) as client:
        assert client.delete("42", ACCOUNT).user.id == "42"


def test_a_caller_with_another_certificate_is_not_allowed(
    mutual_tls: programs.Service, certificates: Certificates, upstream: programs.Upstream
) -> None:
    upstream.play([OK])
    with connect_with_tls(mutual_tls, certificates, **certificates.of_caller("other.example")) as client:
        with pytest.raises(DeleteError) as caught:
            client.delete("42", ACCOUNT)
    assert caught.value.reason == ErrorReason.ERROR_REASON_CALLER_NOT_ALLOWED
    assert caught.value.delivery is Delivery.NOT_SENT
    assert upstream.received == []


@pytest.mark.parametrize("wrong", ["no certificate", "another name of the service", "an authority of nobody"])
def test_a_connection_that_is_not_as_agreed_is_none(
    mutual_tls: programs.Service,
    certificates: Certificates,
    upstream: programs.Upstream,
    wrong: str,
    tmp_path: pathlib.Path,
) -> None:
    upstream.play([OK])
    options: dict[str, Any] = {"ca_file": certificates.folder / "ca.pem", "server_name": "ticketing.example"}
    options |= certificates.of_caller("allowed.example")
    if wrong == "no certificate":
        options |= {"certificate_file": None, "key_file": None}
    elif wrong == "another name of the service":
        options["server_name"] = "elsewhere.example"
    else:
        trustme.CA(key_type=trustme.KeyType.ECDSA).cert_pem.write_to_path(tmp_path / "ca.pem")
        options["ca_file"] = tmp_path / "ca.pem"
    with ticketing_user.connect(mutual_tls.address, **options) as client, pytest.raises(DeleteError) as caught:
        client.delete("42", ACCOUNT)
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert upstream.received == []


def test_each_call_asks_for_its_token(upstream: programs.Upstream, certificates: Certificates) -> None:
    upstream.play([OK, OK])
    service = programs.Service(upstream.url, certificates.of_service() | {"TICKETING_AUTH": "caller"})
    tokens = iter(["first", "second"])
    try:
        with connect_with_tls(service, certificates, token=lambda: next(tokens)) as client:
            client.delete("42", ACCOUNT)
            client.delete("42", ACCOUNT)
    finally:
        service.stop()
    assert [request.headers["authorization"] for request in upstream.received] == ["Bearer first", "Bearer second"]


def failures_with_token(
    service: programs.Service, token: Any, timeout: float = ticketing_user.client.DEADLINE
) -> list[DeleteError]:
    """The errors of a delete and of a stream."""
    errors = []
    with ticketing_user.connect(service.address, plaintext=True, token=token) as client:
        for call in (client.delete, client.delete_stream):
            with pytest.raises(DeleteError) as caught:
                call("42", ACCOUNT, timeout=timeout)
            errors.append(caught.value)
    return errors


@pytest.mark.parametrize(
    ("token", "complaint"),
    [
        (lambda: None, "NoneType is no string"),
        (lambda: b"secret", "bytes is no string"),
        (lambda: "", "what there is has characters that a token can't have"),
        (lambda: "secret\n", "what there is has characters that a token can't have"),
        (lambda: "a secret", "what there is has characters that a token can't have"),
        (lambda: "secrét", "what there is has characters that a token can't have"),
        ("secret\n", "what there is has characters that a token can't have"),
        (lambda: int("none"), "invalid literal for int() with base 10: 'none'"),
    ],
)
def test_what_is_no_token_is_not_sent(
    one_attempt: programs.Service, upstream: programs.Upstream, token: Any, complaint: str
) -> None:
    upstream.play([OK])
    for error in failures_with_token(one_attempt, token):
        assert (error.code, error.delivery) == (grpc.StatusCode.UNAUTHENTICATED, Delivery.NOT_SENT)
        assert error.message == f"no token for the call: {complaint}"
        assert str(error) == f"UNAUTHENTICATED: {error.message}"
        assert error.advice == "Nothing was sent. Have the token's source mended."
        assert (error.attempts, len(error.request_id)) == (0, 36)
    assert upstream.received == []


def test_a_token_takes_of_the_calls_time(one_attempt: programs.Service, upstream: programs.Upstream) -> None:
    upstream.play([OK])

    def late_token() -> str:
        until = time.monotonic() + 0.001
        while time.monotonic() < until:
            pass
        return "secret"

    for error in failures_with_token(one_attempt, late_token, timeout=0.001):
        assert (error.code, error.delivery) == (grpc.StatusCode.DEADLINE_EXCEEDED, Delivery.NOT_SENT)
        assert error.message == "the time was up before there was a token"
    assert upstream.received == []


@pytest.mark.parametrize(
    ("target", "refused"),
    [
        ("ticketing.example:50051", True),
        ("dns:///ticketing.example:50051", True),
        ("localhost.example:50051", True),
        ("10.0.0.1:50051", True),
        ("ipv4:127.0.0.1:50051,10.0.0.1:50051", True),
        ("localhost:50051", False),
        ("dns:///localhost:50051", False),
        ("127.0.0.1:50051", False),
        ("[::1]:50051", False),
        ("unix:/run/ticketing", False),
    ],
)
def test_a_token_leaves_the_machine_over_tls_alone(target: str, refused: bool) -> None:
    if refused:
        with pytest.raises(ValueError, match="over TLS only"):
            ticketing_user.connect(target, plaintext=True, token="secret")
    else:
        ticketing_user.connect(target, plaintext=True, token="secret").close()


def test_what_goes_in_plaintext_goes_through_no_proxy(
    one_attempt: programs.Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        for name in ("grpc_proxy", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        for name in ("no_grpc_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        with ticketing_user.connect(one_attempt.address, plaintext=True, token="secret") as client:
            client.delete("42", ACCOUNT, validate_only=True)
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_options_that_contradict_each_other_are_refused(certificates: Certificates) -> None:
    with pytest.raises(ValueError, match="plaintext connection"):
        ticketing_user.connect("localhost:1", plaintext=True, server_name="a")
    with pytest.raises(ValueError, match="belong together"):
        ticketing_user.connect("localhost:1", certificate_file=certificates.folder / "allowed.example.pem")


# The package


def test_the_example_runs(client: ticketing_user.Client, sandbox_service: programs.Service) -> None:
    example = pathlib.Path(__file__).parents[1] / "examples" / "delete_user.py"
    command = [sys.executable, str(example), "--plaintext", sandbox_service.address, "23423524", HELP_SCOUT]
    first = subprocess.run(command, capture_output=True, text=True)
    assert (first.returncode, first.stdout) == (0, "DELETE_OUTCOME_DELETED 23423524 Ana Souza\n"), first.stderr
    second = subprocess.run(command, capture_output=True, text=True)
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr.startswith("USER_NOT_FOUND: ")


def test_the_package_says_that_it_has_types() -> None:
    found = importlib.util.find_spec("ticketing_user")
    assert found is not None and found.origin is not None
    folder = pathlib.Path(found.origin).parent
    assert (folder / "py.typed").exists()
    assert (folder / "v1" / "ticketing_user_service_pb2.pyi").exists()
