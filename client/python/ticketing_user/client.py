"""How to reach the service, and to delete with it."""

from __future__ import annotations

import ipaddress
import pathlib
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from types import TracebackType
from typing import Any, TypeVar

import grpc
from google.protobuf import struct_pb2

from ticketing_user.errors import DeleteError, not_sent
from ticketing_user.stream import DeleteStream
from ticketing_user.v1.ticketing_user_service_pb2 import (
    TRUTO_RESPONSE_FORMAT_UNSPECIFIED,
    Collection,
    DeleteTicketingUserRequest,
    DeleteTicketingUserResponse,
    DeleteTicketingUserStreamRequest,
    Organization,
    TrutoResponseFormat,
)
from ticketing_user.v1.ticketing_user_service_pb2_grpc import TicketingUserServiceStub

DEADLINE = 30.0
"""Seconds of a call that names none, as in the service, which cuts longer ones to 60 by default."""
STREAM_DEADLINE = 600.0
"""The same for a stream, which may take up to an hour once its answer has begun."""

# Seconds. What is far beyond them gRPC takes for the past.
_LONGEST_TIMEOUT = 2**31 - 1
_MEND_TOKEN = "Nothing was sent. Have the token's source mended."
_LARGEST_SAFE_INTEGER = 2**53


def connect(
    target: str,
    *,
    plaintext: bool = False,
    ca_file: str | pathlib.Path | None = None,
    certificate_file: str | pathlib.Path | None = None,
    key_file: str | pathlib.Path | None = None,
    server_name: str | None = None,
    token: str | Callable[[], str] | None = None,
    options: Sequence[tuple[str, Any]] = (),
) -> Client:
    """A client of the service at `target`, such as "ticketing.example:50051"; nothing is sent yet.

    plaintext: no TLS.
    ca_file: the authorities to trust, and no others; without it the system's.
    certificate_file, key_file: who the caller is, for a service that asks for certificates (mTLS).
    server_name: the name that the service's certificate must have, if it is not the target's.
    token: Truto's, for a service with TICKETING_AUTH=caller; a function is asked anew for each call.
    options: gRPC's own, which go before those of this package.

    What is in files is read now. The channel balances over all addresses of the target (round robin) that say that they
    are healthy, and repeats a call that ended as UNAVAILABLE, when the service says that it may, or whose connection
    broke; at most 3 times. service_config.json has the numbers.
    """
    given = {name for name, _ in options}
    chosen: list[tuple[str, Any]] = [
        ("grpc.service_config", resources.files("ticketing_user").joinpath("service_config.json").read_text()),
        # So that the replicas of a rollout are found while the old ones drain; by default 30 s.
        ("grpc.dns_min_time_between_resolutions_ms", 1000),
    ]
    if plaintext:
        # What is not encrypted, such as a token, is for the target alone.
        chosen.append(("grpc.enable_http_proxy", 0))
    if server_name is not None:
        chosen.append(("grpc.ssl_target_name_override", server_name))
    all_options = [*options, *(option for option in chosen if option[0] not in given)]
    if plaintext:
        if any(part is not None for part in (ca_file, certificate_file, key_file, server_name)):
            raise ValueError("a plaintext connection has no authorities, certificate, key or server name")
        if token is not None and not _is_loopback(target):
            raise ValueError(f"a token goes to {target} over TLS only, not in plaintext")
        return Client(grpc.insecure_channel(target, all_options), token)
    if (certificate_file is None) != (key_file is None):
        raise ValueError("certificate_file and key_file belong together: give both or neither")
    credentials = grpc.ssl_channel_credentials(_read(ca_file), _read(key_file), _read(certificate_file))
    return Client(grpc.secure_channel(target, credentials, all_options), token)


class Client:
    """Deletes users. For any number of threads at a time; close it, or use it in a `with` statement."""

    def __init__(self, channel: grpc.Channel, token: str | Callable[[], str] | None = None) -> None:
        """On a channel of the caller's own making; `connect` makes one that suits the service."""
        self._channel = channel
        self._token = token
        self._stub: Any = TicketingUserServiceStub(channel)  # type: ignore[no-untyped-call]  # generated without types

    def delete(
        self,
        id: str,
        integrated_account_id: str = "",
        *,
        collections: Iterable[str] = (),
        organization: str | None = None,
        truto_response_format: TrutoResponseFormat = TRUTO_RESPONSE_FORMAT_UNSPECIFIED,
        truto_ignore_remote_data: bool | None = None,
        truto_exclude_fields: Iterable[str] = (),
        remote_query: Mapping[str, Any] | None = None,
        truto_skip_api_call: bool | None = None,
        allow_missing: bool = False,
        validate_only: bool = False,
        request_id: str | None = None,
        include_http_body: bool = False,
        timeout: float = DEADLINE,
    ) -> DeleteTicketingUserResponse:
        """Deletes one user; raises DeleteError unless the service says OK.

        The parameters are the request's fields; collections and organization are given by their ids. Without a
        `request_id` a new one is made; the error has it, to repeat the delete under.
        """
        return self.delete_request(
            _make_request(
                id,
                integrated_account_id,
                collections=collections,
                organization=organization,
                truto_response_format=truto_response_format,
                truto_ignore_remote_data=truto_ignore_remote_data,
                truto_exclude_fields=truto_exclude_fields,
                remote_query=remote_query,
                truto_skip_api_call=truto_skip_api_call,
                allow_missing=allow_missing,
                validate_only=validate_only,
                request_id=request_id,
                include_http_body=include_http_body,
            ),
            timeout=timeout,
        )

    def delete_stream(
        self,
        id: str,
        integrated_account_id: str = "",
        *,
        collections: Iterable[str] = (),
        organization: str | None = None,
        truto_response_format: TrutoResponseFormat = TRUTO_RESPONSE_FORMAT_UNSPECIFIED,
        truto_ignore_remote_data: bool | None = None,
        truto_exclude_fields: Iterable[str] = (),
        remote_query: Mapping[str, Any] | None = None,
        truto_skip_api_call: bool | None = None,
        allow_missing: bool = False,
        validate_only: bool = False,
        request_id: str | None = None,
        timeout: float = STREAM_DEADLINE,
    ) -> DeleteStream:
        """Deletes one user and hands on the answer's body as it arrives; otherwise as `delete`."""
        request = _named(
            _make_request(
                id,
                integrated_account_id,
                collections=collections,
                organization=organization,
                truto_response_format=truto_response_format,
                truto_ignore_remote_data=truto_ignore_remote_data,
                truto_exclude_fields=truto_exclude_fields,
                remote_query=remote_query,
                truto_skip_api_call=truto_skip_api_call,
                allow_missing=allow_missing,
                validate_only=validate_only,
                request_id=request_id,
            )
        )
        metadata, timeout = self._prepare(request.request_id, timeout)
        call = self._stub.DeleteTicketingUserStream(
            DeleteTicketingUserStreamRequest(request=request), timeout=timeout, metadata=metadata
        )
        return DeleteStream(call, request.request_id)

    def delete_request(
        self, request: DeleteTicketingUserRequest, *, timeout: float = DEADLINE
    ) -> DeleteTicketingUserResponse:
        """The same as `delete`, with a message. It is not changed."""
        request = _named(request)
        metadata, timeout = self._prepare(request.request_id, timeout)
        try:
            answer: DeleteTicketingUserResponse = self._stub.DeleteTicketingUser(
                request, timeout=timeout, metadata=metadata
            )
        except grpc.RpcError as error:
            raise DeleteError(error, request.request_id) from error
        return answer

    def close(self) -> None:
        """Ends all calls and the connection."""
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prepare(self, request_id: str, timeout: float) -> tuple[tuple[tuple[str, str], ...], float]:
        """What a call is made with: its metadata, and the seconds that are left for it."""
        if not (isinstance(timeout, (int, float)) and 0 < timeout <= _LONGEST_TIMEOUT):
            raise ValueError(f"timeout: {timeout!r} is not between 0 and {_LONGEST_TIMEOUT}")
        if self._token is None:
            return (), timeout
        deadline = time.monotonic() + timeout
        token = _ask_for_token(self._token, request_id)
        left = deadline - time.monotonic()
        if left <= 0:
            message = "the time was up before there was a token"
            raise not_sent(grpc.StatusCode.DEADLINE_EXCEEDED, message, request_id, _MEND_TOKEN)
        return (("authorization", f"Bearer {token}"),), left


def _ask_for_token(source: str | Callable[[], str], request_id: str) -> str:
    def no_token(complaint: object) -> DeleteError:
        message = f"no token for the call: {complaint}"
        return not_sent(grpc.StatusCode.UNAUTHENTICATED, message, request_id, _MEND_TOKEN)

    try:
        token = source() if callable(source) else source
    except Exception as error:
        raise no_token(error) from error
    # Programs without types may have none.
    if not isinstance(token, str):
        raise no_token(f"{type(token).__name__} is no string")
    # gRPC's own complaint would show it.
    if not re.fullmatch("[!-~]+", token):
        raise no_token("what there is has characters that a token can't have")
    return token


def _named(request: DeleteTicketingUserRequest) -> DeleteTicketingUserRequest:
    # So that all that gRPC sends of one call, repeats included, is one delete to Truto.
    if request.request_id:
        return request
    named = DeleteTicketingUserRequest()
    named.CopyFrom(request)
    named.request_id = str(uuid.uuid4())
    return named


def _make_request(
    id: str,
    integrated_account_id: str,
    *,
    collections: Iterable[str],
    organization: str | None,
    truto_response_format: TrutoResponseFormat,
    truto_ignore_remote_data: bool | None,
    truto_exclude_fields: Iterable[str],
    remote_query: Mapping[str, Any] | None,
    truto_skip_api_call: bool | None,
    allow_missing: bool,
    validate_only: bool,
    request_id: str | None,
    include_http_body: bool = False,
) -> DeleteTicketingUserRequest:
    request = DeleteTicketingUserRequest(
        id=_check(id, str, "id"),
        integrated_account_id=_check(integrated_account_id, str, "integrated_account_id"),
        collections=[Collection(id=collection) for collection in _strings(collections, "collections")],
        organization=None if organization is None else Organization(id=_check(organization, str, "organization")),
        truto_response_format=_check(truto_response_format, int, "truto_response_format"),
        truto_exclude_fields=_strings(truto_exclude_fields, "truto_exclude_fields"),
        remote_query=None if remote_query is None else _to_struct(remote_query, "remote_query"),
        allow_missing=_check(allow_missing, bool, "allow_missing"),
        validate_only=_check(validate_only, bool, "validate_only"),
        request_id="" if request_id is None else _check(request_id, str, "request_id"),
        include_http_body=_check(include_http_body, bool, "include_http_body"),
    )
    # Absent and false are two requests.
    if truto_ignore_remote_data is not None:
        request.truto_ignore_remote_data = _check(truto_ignore_remote_data, bool, "truto_ignore_remote_data")
    if truto_skip_api_call is not None:
        request.truto_skip_api_call = _check(truto_skip_api_call, bool, "truto_skip_api_call")
    return request


_WANTED = {str: "a string", bool: "True or False", int: "a number"}
_Checked = TypeVar("_Checked")


def _check(value: _Checked, kind: type, path: str) -> _Checked:
    if not isinstance(value, kind):
        raise TypeError(f"{path}: takes {_WANTED[kind]}, not {type(value).__name__}")
    return value


def _strings(values: Iterable[str], path: str) -> list[str]:
    # Each character of a string would be one, and of a mapping each key.
    if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
        raise TypeError(f"{path}: takes a list of strings, not {type(values).__name__}")
    return [_check(value, str, f"{path}[{index}]") for index, value in enumerate(values)]


def _to_struct(values: Mapping[str, Any], path: str, within: tuple[object, ...] = ()) -> struct_pb2.Struct:
    if not isinstance(values, Mapping):
        raise TypeError(f"{path}: takes a mapping, not {type(values).__name__}")
    fields = {}
    for key, value in values.items():
        if not isinstance(key, str):
            raise TypeError(f"{path}: takes strings as names, not {type(key).__name__}")
        fields[key] = _to_value(value, f"{path}.{key}", (*within, values))
    return struct_pb2.Struct(fields=fields)


def _to_value(value: Any, path: str, within: tuple[object, ...]) -> struct_pb2.Value:
    """`within` are the lists and mappings that have the value."""
    if any(value is outer for outer in within):
        raise TypeError(f"{path}: has itself within")
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int) and abs(value) > _LARGEST_SAFE_INTEGER:
        # On the way it is a double, which would be another number.
        raise ValueError(f"{path}: {value} is beyond 2^53; give it as a string")
    if isinstance(value, (int, float)):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, Mapping):
        return struct_pb2.Value(struct_value=_to_struct(value, path, within))
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        values = [_to_value(item, f"{path}[{index}]", (*within, value)) for index, item in enumerate(value)]
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=values))
    raise TypeError(f"{path}: a {type(value).__name__} is no JSON")


def _read(path: str | pathlib.Path | None) -> bytes | None:
    return None if path is None else pathlib.Path(path).read_bytes()


def _is_loopback(target: str) -> bool:
    address = target.rpartition("/")[2] if target.startswith("dns:") else target
    if address.startswith("unix:"):
        return True
    host = address.removeprefix("ipv4:").removeprefix("ipv6:").rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
