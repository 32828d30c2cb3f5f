/**
 * Calls the ticketing-user service, which deletes users from ticketing systems.
 *
 * The messages are in `ticketing-user/v1`; the most used ones are here as well.
 */
export { status } from "@grpc/grpc-js";
export {
  type CallOptions,
  Client,
  type ConnectOptions,
  connect,
  DEADLINE_MS,
  STREAM_DEADLINE_MS,
} from "./client.js";
export { DeleteError, type DeleteErrorParts, type Delivery, type FieldViolation, type Origin } from "./errors.js";
export { ErrorReason } from "./gen/ticketing/v1/error_reason_pb.js";
export {
  DeleteOutcome,
  type DeleteTicketingUserResponse,
  TrutoResponseFormat,
} from "./gen/ticketing/v1/ticketing_user_service_pb.js";
export type { DeleteRequest } from "./request.js";
export type { DeleteStream } from "./stream.js";
