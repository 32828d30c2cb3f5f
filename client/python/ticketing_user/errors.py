"""What a failed call is to its caller."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Mapping
from typing import NamedTuple, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from ticketing_user.v1.error_reason_pb2 import ErrorReason

_DOMAIN = "ticketing.v1.TicketingUserService"
_NO_ANSWER = (
    "The service gave no answer of its own: look whether the user is still there, or repeat the call with the same "
    "request_id and allow_missing."
)
_Detail = TypeVar("_Detail", bound=Message)


class Delivery(str, enum.Enum):
    """How far a delete got, the worst of all its attempts."""

    NOT_SENT = "NOT_SENT"
    """Nothing can have been executed."""
    REJECTED = "REJECTED"
    """It was sent, and provably not executed."""
    UNKNOWN = "UNKNOWN"
    """The user may have been deleted."""


class Origin(str, enum.Enum):
    """Who decided."""

    UNSPECIFIED = ""
    """gRPC itself, on the caller's side or on the way."""
    SERVICE = "SERVICE"
    TRUTO = "TRUTO"
    PROVIDER = "PROVIDER"


class FieldViolation(NamedTuple):
    """What is wrong with a field of the request."""

    field: str
    description: str


class DeleteError(Exception):
    """A delete that the service did not confirm.

    Without an answer of the service (it could not be reached, the deadline passed on the caller's side, the request was
    beyond gRPC's limits) there is no reason, and `delivery` is UNKNOWN, since only the service can know better.
    """

    code: grpc.StatusCode
    message: str
    reason: ErrorReason
    """ERROR_REASON_UNSPECIFIED for none, and for one that is newer than this package; then see `reason_name`."""
    reason_name: str
    """As on the wire: "USER_NOT_FOUND"."""
    advice: str
    """What to do, in words."""
    advice_url: str
    retry_after: datetime.timedelta | None
    """When to come back, where that helps."""
    delivery: Delivery
    attempts: int | None
    """How many HTTP requests were made; None when that is not known."""
    request_id: str
    """The name of the delete: repeat it under the same."""
    origin: Origin
    http_status: int | None
    field_violations: tuple[FieldViolation, ...]
    metadata: Mapping[str, str]
    """All that the ErrorInfo says, such as `missing_scopes`."""

    def __init__(self, error: grpc.RpcError, request_id: str) -> None:
        code, message, trailers = _parts(error)
        details = _parse(trailers)
        info = _find(details, error_details_pb2.ErrorInfo)
        if info is not None and info.domain != _DOMAIN:
            info = None
        retry = _find(details, error_details_pb2.RetryInfo)
        bad_request = _find(details, error_details_pb2.BadRequest)
        help_links = _find(details, error_details_pb2.Help)

        self.code = code
        self.message = message
        self.metadata = dict(info.metadata) if info else {}
        self.reason_name = info.reason if info else ""
        self.reason = _reason(self.reason_name)
        self.advice = help_links.links[0].description if help_links and help_links.links else _NO_ANSWER
        self.advice_url = help_links.links[0].url if help_links and help_links.links else ""
        self.retry_after = retry.retry_delay.ToTimedelta() if retry else None
        self.delivery = _member(Delivery, self.metadata.get("delivery", ""), Delivery.UNKNOWN)
        self.attempts = _number(self.metadata.get("attempts"))
        self.request_id = self.metadata.get("request_id") or request_id
        self.origin = _member(Origin, self.metadata.get("origin", ""), Origin.UNSPECIFIED)
        self.http_status = _number(self.metadata.get("http_status"))
        self.field_violations = tuple(
            FieldViolation(violation.field, violation.description)
            for violation in (bad_request.field_violations if bad_request else ())
        )
        super().__init__(f"{self.reason_name or code.name}: {message}")


def not_sent(code: grpc.StatusCode, message: str, request_id: str, advice: str) -> DeleteError:
    """The error of a call that ended before gRPC had it."""
    error = DeleteError(grpc.RpcError(), request_id)
    error.code, error.message, error.advice = code, message, advice
    error.delivery, error.attempts = Delivery.NOT_SENT, 0
    error.args = (f"{code.name}: {message}",)
    return error


_Member = TypeVar("_Member", bound=enum.Enum)


def _member(kind: type[_Member], value: str, otherwise: _Member) -> _Member:
    try:
        return kind(value)
    except ValueError:
        return otherwise


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _reason(name: str) -> ErrorReason:
    value = dict(ErrorReason.items()).get(f"ERROR_REASON_{name}", 0)
    # It is an int that the generated types call ErrorReason.
    return cast(ErrorReason, value)


def _parts(error: grpc.RpcError) -> tuple[grpc.StatusCode, str, Mapping[str, str | bytes]]:
    if not isinstance(error, grpc.Call):
        return grpc.StatusCode.UNKNOWN, str(error), {}
    trailers = {key: value for key, value in error.trailing_metadata() or ()}
    return error.code(), error.details() or "", trailers


def _parse(trailers: Mapping[str, str | bytes]) -> status_pb2.Status:
    status = status_pb2.Status()
    data = trailers.get("grpc-status-details-bin")
    if isinstance(data, bytes):
        try:
            status.ParseFromString(data)
        except DecodeError:
            return status_pb2.Status()
    return status


def _find(status: status_pb2.Status, kind: type[_Detail]) -> _Detail | None:
    for detail in status.details:
        found = kind()
        try:
            if detail.Unpack(found):
                return found
        except DecodeError:
            # It is broken: as if it were not there.
            pass
    return None
