"""The answer of a delete as it arrives."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

import grpc

from ticketing_user.errors import DeleteError
from ticketing_user.v1.ticketing_user_service_pb2 import DeleteTicketingUserResponse, StreamHeader


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
        # A delete that failed has no other event; its error is raised here.
        first = self._next()
        if first is not None and first.WhichOneof("event") == "header":
            self.header = first.header
        elif first is not None:
            self._summary = first.summary

    def __iter__(self) -> Iterator[bytes]:
        while (event := self._next()) is not None:
            if event.WhichOneof("event") == "chunk":
                yield event.chunk
            else:
                self._summary = event.summary

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

    def _next(self) -> Any:
        try:
            return next(self._call, None)
        except grpc.RpcError as error:
            raise DeleteError(error, self._request_id) from error
