/** The cases that all callers share: tests/conformance/README.md. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Client, connect, DeleteError, ErrorReason, status } from "ticketing-user";
import {
  type DeleteTicketingUserRequest,
  DeleteTicketingUserRequestSchema,
  type DeleteTicketingUserResponse,
  DeleteTicketingUserResponseSchema,
  StreamHeaderSchema,
} from "ticketing-user/v1";
import { type Answer, Program, type Service, startService, TOKEN, Upstream } from "./programs.js";

interface Case {
  name: string;
  service?: string;
  token?: string;
  stream?: boolean;
  before?: JsonValue[];
  request: { request_id?: string };
  upstream?: Answer[];
  wire: string[];
  response: JsonValue;
  header?: JsonValue;
  chunks?: string;
  error?: { reason: string };
}

interface Table {
  services: Record<string, Record<string, string>>;
  headers: Record<string, string>;
  reasons_elsewhere: Record<string, string>;
  cases: Case[];
}

const table: Table = JSON.parse(readFileSync(process.env.TICKETING_CASES ?? "", "utf8"));
const OF_ALL_ERRORS = ["request_id", "attempts", "delivery", "origin", "http_status"];

let upstream: Upstream;
/** Of the table; each is started once. */
const services = new Map<string, Service>();

before(async () => {
  upstream = await Upstream.start();
});
after(async () => {
  await Program.stopAll();
  upstream.stop();
});

async function serviceOf(name: string): Promise<Service> {
  const service = services.get(name) ?? (await startService(upstream.url, table.services[name]));
  services.set(name, service);
  return service;
}

for (const row of table.cases) {
  test(row.name, async () => {
    const { address } = await serviceOf(row.service ?? "default");
    upstream.play(...(row.upstream ?? []));
    // What gRPC would send again is another row's subject.
    const channelOptions = { "grpc.enable_retries": 0 };
    using client = connect(address, { plaintext: true, token: row.token, channelOptions });
    for (const request of row.before ?? []) await client.delete(fieldsOf(request));
    const [actual, requestId] = await outcomeOf(client, row);

    assert.deepEqual(
      upstream.received.map(({ target }) => target),
      row.wire,
    );
    const headers: Record<string, string> = { authorization: `Bearer ${row.token ?? TOKEN}`, ...table.headers };
    headers["idempotency-key"] = requestId;
    for (const received of upstream.received) {
      assert.equal(received.method, "DELETE");
      assert.deepEqual(Object.fromEntries(Object.keys(headers).map((name) => [name, received.headers[name]])), headers);
    }
    if (upstream.received.length > 0) assert.equal(requestId, row.request.request_id ?? requestId);
    assert.deepEqual(actual, expected(row));
  });
}

/** What became of the case's call, in protobuf's JSON, and the name of the delete. */
async function outcomeOf(client: Client, { request, stream }: Case): Promise<[unknown, string]> {
  try {
    if (!stream) {
      const response = await client.delete(fieldsOf(request));
      const requestId = response.report?.requestId ?? "";
      return [{ response: plain(response) }, requestId];
    }
    using answer = await client.deleteStream(fieldsOf(request));
    const pieces: Uint8Array[] = [];
    for await (const piece of answer) pieces.push(piece);
    const requestId = answer.summary.report?.requestId ?? "";
    const header = answer.header && toJson(StreamHeaderSchema, answer.header);
    const body = Buffer.concat(pieces).toString("base64");
    return [{ header, body, response: plain(answer.summary) }, requestId];
  } catch (error) {
    if (!(error instanceof DeleteError)) throw error;
    return [{ error: plainError(error) }, error.requestId];
  }
}

/** Read into messages and written again, so that only values count. */
function expected(row: Case): unknown {
  if (row.error) return { error: row.error };
  const response = plain(fromJson(DeleteTicketingUserResponseSchema, row.response));
  if (!row.stream) return { response };
  const header = row.header && toJson(StreamHeaderSchema, fromJson(StreamHeaderSchema, row.header));
  return { header, body: row.chunks ?? "", response };
}

/** As a caller would write it: an object. */
function fieldsOf(request: JsonValue): Omit<DeleteTicketingUserRequest, "$typeName"> {
  const { $typeName: _, ...fields } = fromJson(DeleteTicketingUserRequestSchema, request);
  return fields;
}

/** Without what differs from call to call. */
function plain(response: DeleteTicketingUserResponse): JsonValue {
  if (response.report) {
    response.report.requestId = "";
    response.report.queued = response.report.upstream = response.report.total = undefined;
  }
  if (response.result.case === "plannedRequest") {
    const planned = response.result.value;
    planned.url = planned.url.slice(planned.url.indexOf("/unified"));
    delete planned.headers["user-agent"];
  }
  return toJson(DeleteTicketingUserResponseSchema, response);
}

/** As in the table, where what is absent is left out. */
function plainError(error: DeleteError): unknown {
  assert.equal(ErrorReason[error.reason], error.reasonName);
  const metadata = Object.entries(error.metadata).filter(([name]) => !OF_ALL_ERRORS.includes(name));
  const all = {
    code: status[error.code],
    message: error.message,
    reason: error.reasonName,
    advice: error.advice,
    retry_after_ms: error.retryAfterMs,
    delivery: error.delivery,
    origin: error.origin,
    attempts: error.attempts,
    http_status: error.httpStatus,
    field_violations: error.fieldViolations.length > 0 ? error.fieldViolations : undefined,
    metadata: metadata.length > 0 ? Object.fromEntries(metadata) : undefined,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

// A new reason needs a case, or a word where else it is provoked.
test("every reason is in the table", () => {
  const seen = new Set(table.cases.flatMap(({ error }) => (error ? [error.reason] : [])));
  const elsewhere = Object.keys(table.reasons_elsewhere);
  assert.deepEqual(
    elsewhere.filter((reason) => seen.has(reason)),
    [],
  );
  const all = Object.keys(ErrorReason).filter((name) => name !== "UNSPECIFIED" && Number.isNaN(Number(name)));
  assert.deepEqual([...seen, ...elsewhere].sort(), all.sort());
});
