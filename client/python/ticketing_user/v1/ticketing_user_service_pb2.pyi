import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from ticketing_user.v1 import ticketing_user_pb2 as _ticketing_user_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TrutoResponseFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRUTO_RESPONSE_FORMAT_UNSPECIFIED: _ClassVar[TrutoResponseFormat]
    TRUTO_RESPONSE_FORMAT_UNIFIED: _ClassVar[TrutoResponseFormat]
    TRUTO_RESPONSE_FORMAT_RAW: _ClassVar[TrutoResponseFormat]
    TRUTO_RESPONSE_FORMAT_NORMALIZED: _ClassVar[TrutoResponseFormat]
    TRUTO_RESPONSE_FORMAT_STREAM: _ClassVar[TrutoResponseFormat]
    TRUTO_RESPONSE_FORMAT_DEBUG: _ClassVar[TrutoResponseFormat]

class DeleteOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELETE_OUTCOME_UNSPECIFIED: _ClassVar[DeleteOutcome]
    DELETE_OUTCOME_DELETED: _ClassVar[DeleteOutcome]
    DELETE_OUTCOME_ALREADY_ABSENT: _ClassVar[DeleteOutcome]
    DELETE_OUTCOME_NOT_SENT: _ClassVar[DeleteOutcome]
TRUTO_RESPONSE_FORMAT_UNSPECIFIED: TrutoResponseFormat
TRUTO_RESPONSE_FORMAT_UNIFIED: TrutoResponseFormat
TRUTO_RESPONSE_FORMAT_RAW: TrutoResponseFormat
TRUTO_RESPONSE_FORMAT_NORMALIZED: TrutoResponseFormat
TRUTO_RESPONSE_FORMAT_STREAM: TrutoResponseFormat
TRUTO_RESPONSE_FORMAT_DEBUG: TrutoResponseFormat
DELETE_OUTCOME_UNSPECIFIED: DeleteOutcome
DELETE_OUTCOME_DELETED: DeleteOutcome
DELETE_OUTCOME_ALREADY_ABSENT: DeleteOutcome
DELETE_OUTCOME_NOT_SENT: DeleteOutcome

class DeleteTicketingUserRequest(_message.Message):
    __slots__ = ("id", "integrated_account_id", "collections", "organization", "truto_response_format", "truto_ignore_remote_data", "truto_exclude_fields", "remote_query", "truto_skip_api_call", "allow_missing", "validate_only", "request_id", "include_http_body")
    ID_FIELD_NUMBER: _ClassVar[int]
    INTEGRATED_ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    TRUTO_RESPONSE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    TRUTO_IGNORE_REMOTE_DATA_FIELD_NUMBER: _ClassVar[int]
    TRUTO_EXCLUDE_FIELDS_FIELD_NUMBER: _ClassVar[int]
    REMOTE_QUERY_FIELD_NUMBER: _ClassVar[int]
    TRUTO_SKIP_API_CALL_FIELD_NUMBER: _ClassVar[int]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_HTTP_BODY_FIELD_NUMBER: _ClassVar[int]
    id: str
    integrated_account_id: str
    collections: _containers.RepeatedCompositeFieldContainer[Collection]
    organization: Organization
    truto_response_format: TrutoResponseFormat
    truto_ignore_remote_data: bool
    truto_exclude_fields: _containers.RepeatedScalarFieldContainer[str]
    remote_query: _struct_pb2.Struct
    truto_skip_api_call: bool
    allow_missing: bool
    validate_only: bool
    request_id: str
    include_http_body: bool
    def __init__(self, id: _Optional[str] = ..., integrated_account_id: _Optional[str] = ..., collections: _Optional[_Iterable[_Union[Collection, _Mapping]]] = ..., organization: _Optional[_Union[Organization, _Mapping]] = ..., truto_response_format: _Optional[_Union[TrutoResponseFormat, str]] = ..., truto_ignore_remote_data: bool = ..., truto_exclude_fields: _Optional[_Iterable[str]] = ..., remote_query: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., truto_skip_api_call: bool = ..., allow_missing: bool = ..., validate_only: bool = ..., request_id: _Optional[str] = ..., include_http_body: bool = ...) -> None: ...

class Collection(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class Organization(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DeleteTicketingUserResponse(_message.Message):
    __slots__ = ("outcome", "user", "raw", "debug", "planned_request", "http_body", "report")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    DEBUG_FIELD_NUMBER: _ClassVar[int]
    PLANNED_REQUEST_FIELD_NUMBER: _ClassVar[int]
    HTTP_BODY_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    outcome: DeleteOutcome
    user: _ticketing_user_pb2.TicketingUser
    raw: HttpBody
    debug: DebugResult
    planned_request: PlannedRequest
    http_body: HttpBody
    report: CallReport
    def __init__(self, outcome: _Optional[_Union[DeleteOutcome, str]] = ..., user: _Optional[_Union[_ticketing_user_pb2.TicketingUser, _Mapping]] = ..., raw: _Optional[_Union[HttpBody, _Mapping]] = ..., debug: _Optional[_Union[DebugResult, _Mapping]] = ..., planned_request: _Optional[_Union[PlannedRequest, _Mapping]] = ..., http_body: _Optional[_Union[HttpBody, _Mapping]] = ..., report: _Optional[_Union[CallReport, _Mapping]] = ...) -> None: ...

class HttpBody(_message.Message):
    __slots__ = ("content_type", "json", "data", "truncated")
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    content_type: str
    json: _struct_pb2.Value
    data: bytes
    truncated: bool
    def __init__(self, content_type: _Optional[str] = ..., json: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., data: _Optional[bytes] = ..., truncated: bool = ...) -> None: ...

class DebugResult(_message.Message):
    __slots__ = ("result", "debug")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    DEBUG_FIELD_NUMBER: _ClassVar[int]
    result: _ticketing_user_pb2.TicketingUser
    debug: DebugInfo
    def __init__(self, result: _Optional[_Union[_ticketing_user_pb2.TicketingUser, _Mapping]] = ..., debug: _Optional[_Union[DebugInfo, _Mapping]] = ...) -> None: ...

class DebugInfo(_message.Message):
    __slots__ = ("request_url", "request_options", "data", "response_headers", "next_cursor", "is_looping", "is_empty_result", "result_count", "additional_fields")
    REQUEST_URL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_HEADERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    IS_LOOPING_FIELD_NUMBER: _ClassVar[int]
    IS_EMPTY_RESULT_FIELD_NUMBER: _ClassVar[int]
    RESULT_COUNT_FIELD_NUMBER: _ClassVar[int]
    ADDITIONAL_FIELDS_FIELD_NUMBER: _ClassVar[int]
    request_url: str
    request_options: _struct_pb2.Value
    data: _struct_pb2.Value
    response_headers: _struct_pb2.Struct
    next_cursor: _struct_pb2.Value
    is_looping: bool
    is_empty_result: bool
    result_count: int
    additional_fields: _struct_pb2.Struct
    def __init__(self, request_url: _Optional[str] = ..., request_options: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., data: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., response_headers: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., next_cursor: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., is_looping: bool = ..., is_empty_result: bool = ..., result_count: _Optional[int] = ..., additional_fields: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class PlannedRequest(_message.Message):
    __slots__ = ("method", "url", "headers")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    METHOD_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    method: str
    url: str
    headers: _containers.ScalarMap[str, str]
    def __init__(self, method: _Optional[str] = ..., url: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ...) -> None: ...

class CallReport(_message.Message):
    __slots__ = ("request_id", "attempts", "http_status", "queued", "upstream", "total", "rate_limit", "notes", "replayed")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    attempts: int
    http_status: int
    queued: _duration_pb2.Duration
    upstream: _duration_pb2.Duration
    total: _duration_pb2.Duration
    rate_limit: RateLimit
    notes: _containers.RepeatedCompositeFieldContainer[ConversionNote]
    replayed: bool
    def __init__(self, request_id: _Optional[str] = ..., attempts: _Optional[int] = ..., http_status: _Optional[int] = ..., queued: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., upstream: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., total: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., rate_limit: _Optional[_Union[RateLimit, _Mapping]] = ..., notes: _Optional[_Iterable[_Union[ConversionNote, _Mapping]]] = ..., replayed: bool = ...) -> None: ...

class RateLimit(_message.Message):
    __slots__ = ("limit", "remaining", "reset_after")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    RESET_AFTER_FIELD_NUMBER: _ClassVar[int]
    limit: int
    remaining: int
    reset_after: _duration_pb2.Duration
    def __init__(self, limit: _Optional[int] = ..., remaining: _Optional[int] = ..., reset_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ConversionNote(_message.Message):
    __slots__ = ("path", "reason")
    PATH_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    path: str
    reason: str
    def __init__(self, path: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class DeleteTicketingUserStreamRequest(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: DeleteTicketingUserRequest
    def __init__(self, request: _Optional[_Union[DeleteTicketingUserRequest, _Mapping]] = ...) -> None: ...

class DeleteTicketingUserStreamResponse(_message.Message):
    __slots__ = ("header", "chunk", "summary")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    header: StreamHeader
    chunk: bytes
    summary: DeleteTicketingUserResponse
    def __init__(self, header: _Optional[_Union[StreamHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ..., summary: _Optional[_Union[DeleteTicketingUserResponse, _Mapping]] = ...) -> None: ...

class StreamHeader(_message.Message):
    __slots__ = ("http_status", "content_type", "content_length")
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    http_status: int
    content_type: str
    content_length: int
    def __init__(self, http_status: _Optional[int] = ..., content_type: _Optional[str] = ..., content_length: _Optional[int] = ...) -> None: ...
