"""Calls the ticketing-user service, which deletes users from ticketing systems.

    with ticketing_user.connect("ticketing.example:50051") as client:
        answer = client.delete("23423524", "62f44730-dd91-461e-bd6a-aedd9e0ad79d")

The messages are in `ticketing_user.v1`; the most used ones are here as well.
"""

from ticketing_user.client import Client, connect
from ticketing_user.errors import DeleteError, Delivery, FieldViolation, Origin
from ticketing_user.stream import DeleteStream
from ticketing_user.v1.error_reason_pb2 import ErrorReason
from ticketing_user.v1.ticketing_user_service_pb2 import (
    DeleteOutcome,
    DeleteTicketingUserRequest,
    DeleteTicketingUserResponse,
    TrutoResponseFormat,
)

__all__ = [
    "Client",
    "DeleteError",
    "DeleteOutcome",
    "DeleteStream",
    "DeleteTicketingUserRequest",
    "DeleteTicketingUserResponse",
    "Delivery",
    "ErrorReason",
    "FieldViolation",
    "Origin",
    "TrutoResponseFormat",
    "connect",
]
