import { fromBinary, type Message } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import { anyIs, durationMs } from "@bufbuild/protobuf/wkt";
import { type ServiceError, status } from "@grpc/grpc-js";
import { BadRequestSchema, ErrorInfoSchema, HelpSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { type Status, StatusSchema } from "./gen/google/rpc/status_pb.js";
import { ErrorReason } from "./gen/ticketing/v1/error_reason_pb.js";
import { TicketingUserService } from "./gen/ticketing/v1/ticketing_user_service_pb.js";

const NO_ANSWER =
  "The service gave no answer of its own: look whether the user is still there, or repeat the call with the same " +
  "requestId and allowMissing.";

/**
 * How far a delete got, the worst of all its attempts: nothing can have been executed; it was sent, and provably not
 * executed; the user may have been deleted.
 */
export type Delivery = "NOT_SENT" | "REJECTED" | "UNKNOWN";

/** Who decided. */
export type Origin = "SERVICE" | "TRUTO" | "PROVIDER";

/** What is wrong with a field of the request. */
export interface FieldViolation {
  /** As in the contract: "integrated_account_id". */
  readonly field: string;
  readonly description: string;
}

/** What a DeleteError is made of; what is left out is as if the service had given no answer. */
export type DeleteErrorParts = Pick<DeleteError, "code" | "message" | "requestId"> & {
  [Name in Exclude<keyof DeleteError, "name" | "stack" | "toString">]?: DeleteError[Name] | undefined;
};

/**
 * A delete that the service did not confirm.
 *
 * Without an answer of the service (it could not be reached, the deadline passed on the caller's side, the request was
 * beyond gRPC's limits) there is no reason, and `delivery` is UNKNOWN, since only the service can know better.
 */
export class DeleteError extends Error {
  /** gRPC's. */
  readonly code: status;
  /** UNSPECIFIED for none, and for one that is newer than this package; then see `reasonName`. */
  readonly reason: ErrorReason;
  /** As on the wire: "USER_NOT_FOUND". */
  readonly reasonName: string;
  /** What to do, in words. */
  readonly advice: string;
  readonly adviceUrl: string;
  /** When to come back, in milliseconds, where that helps. */
  readonly retryAfterMs: number | undefined;
  readonly delivery: Delivery;
  /** How many HTTP requests were made; undefined when that is not known. */
  readonly attempts: number | undefined;
  /** The name of the delete: repeat it under the same. */
  readonly requestId: string;
  /** Undefined for gRPC itself, on the caller's side or on the way. */
  readonly origin: Origin | undefined;
  readonly httpStatus: number | undefined;
  readonly fieldViolations: readonly FieldViolation[];
  /** All that the ErrorInfo says, such as `missing_scopes`. */
  readonly metadata: Readonly<Record<string, string>>;

  static {
    DeleteError.prototype.name = "DeleteError";
  }

  constructor(parts: DeleteErrorParts) {
    super(parts.message, { cause: parts.cause });
    this.code = parts.code;
    this.reason = parts.reason ?? ErrorReason.UNSPECIFIED;
    this.reasonName = parts.reasonName ?? "";
    this.advice = parts.advice ?? NO_ANSWER;
    this.adviceUrl = parts.adviceUrl ?? "";
    this.retryAfterMs = parts.retryAfterMs;
    this.delivery = parts.delivery ?? "UNKNOWN";
    this.attempts = parts.attempts;
    this.requestId = parts.requestId;
    this.origin = parts.origin;
    this.httpStatus = parts.httpStatus;
    this.fieldViolations = parts.fieldViolations ?? [];
    this.metadata = parts.metadata ?? {};
  }

  /** "USER_NOT_FOUND: …", with the name of the code where there is no reason. */
  override toString(): string {
    return `${this.reasonName || status[this.code]}: ${this.message}`;
  }
}

/** The error of a call that gRPC ended; its own is the cause. */
export function fromGrpc(error: ServiceError, requestId: string): DeleteError {
  const details = parseDetails(error);
  let info = find(details, ErrorInfoSchema);
  if (info?.domain !== TicketingUserService.typeName) info = undefined;
  const metadata = info?.metadata ?? {};
  const retryDelay = find(details, RetryInfoSchema)?.retryDelay;
  const link = find(details, HelpSchema)?.links[0];
  const violations = find(details, BadRequestSchema)?.fieldViolations ?? [];
  return new DeleteError({
    code: error.code,
    message: error.details,
    cause: error,
    reason: ErrorReason[info?.reason as keyof typeof ErrorReason] ?? ErrorReason.UNSPECIFIED,
    reasonName: info?.reason ?? "",
    advice: link?.description,
    adviceUrl: link?.url,
    retryAfterMs: retryDelay && durationMs(retryDelay),
    delivery: oneOf(["NOT_SENT", "REJECTED", "UNKNOWN"], metadata.delivery),
    attempts: toNumber(metadata.attempts),
    requestId: metadata.request_id || requestId,
    origin: oneOf(["SERVICE", "TRUTO", "PROVIDER"], metadata.origin),
    httpStatus: toNumber(metadata.http_status),
    fieldViolations: violations.map(({ field, description }) => ({ field, description })),
    metadata,
  });
}

/** The error of a call that ended before gRPC had it. */
export function notSent(
  code: status,
  message: string,
  requestId: string,
  advice: string,
  cause?: unknown,
): DeleteError {
  return new DeleteError({ code, message, requestId, cause, advice, delivery: "NOT_SENT", attempts: 0 });
}

/** The same for one that its caller gave up. */
export function givenUp(signal: AbortSignal, requestId: string): DeleteError {
  const message = "given up before anything was sent";
  return notSent(status.CANCELLED, message, requestId, "Nothing was sent.", signal.reason);
}

function parseDetails(error: ServiceError): Status | undefined {
  const [data] = error.metadata.get("grpc-status-details-bin");
  try {
    return data instanceof Uint8Array ? fromBinary(StatusSchema, data) : undefined;
  } catch {
    return undefined;
  }
}

function find<T extends Message>(details: Status | undefined, schema: GenMessage<T>): T | undefined {
  for (const detail of details?.details ?? []) {
    if (!anyIs(detail, schema)) continue;
    try {
      return fromBinary(schema, detail.value);
    } catch {
      // It is broken: as if it were not there.
    }
  }
  return undefined;
}

function oneOf<T extends string>(known: readonly T[], value: string | undefined): T | undefined {
  return known.find((name) => name === value);
}

function toNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
