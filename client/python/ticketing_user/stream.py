"""The answer of a delete as it arrives."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

import grpc

from ticketing_user.errors import DeleteError
from ticketing_user.v1.ticketing_user_service_pb2 import (
    DeleteTicketingUserResponse,
    DeleteTicketingUserStreamResponse,
    StreamHeader,
)


class DeleteStream:
    """The body of an answer, piece by piece; iterate over it, then read `summary`.

    Once there is a `header`, the delete is done, even if the iteration ends with a DeleteError.
    """

    def __init__(self, call: Any, request_id: str) -> None:
        self._call = call
        self._request_id = request_id
        self._summary: DeleteTicketingUserResponse | None = None
        self.header: StreamHeader | None = None
        """None with `validate_only`, and for a user that was already absent."""
        # A delete that failed has no event; its error is raised here.
        self._first = self._next()
        if self._first is not None and self._first.WhichOneof("event") == "header":
            self.header = self._first.header

    def __iter__(self) -> Iterator[bytes]:
        event, self._first = self._first, None
        if event is None:
            event = self._next()
        while event is not None:
            if event.WhichOneof("event") == "chunk":
                yield event.chunk
            event = self._next()

    @property
    def summary(self) -> DeleteTicketingUserResponse:
        """Outcome and report, which come after the last piece."""
        if self._summary is None:
            raise RuntimeError("the summary of a DeleteStream is there once all of its pieces were read")
        return self._summary

    def close(self) -> None:
        """Reads no further. The delete is not undone."""
        self._call.cancel()

    def __enter__(self) -> DeleteStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next(self) -> DeleteTicketingUserStreamResponse | None:
        """The next event; None after the last one."""
        try:
            event: DeleteTicketingUserStreamResponse | None = next(self._call, None)
        except grpc.RpcError as error:
            raise DeleteError(error, self._request_id) from error
        if event is None and self._summary is None:
            raise DeleteError(grpc.RpcError("the stream ended before its summary"), self._request_id)
        if event is not None and event.WhichOneof("event") == "summary":
            self._summary = event.summary
        return event
