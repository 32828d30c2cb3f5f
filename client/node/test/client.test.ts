/** What the helper promises, against the real service. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { getEventListeners, once } from "node:events";
import { createServer } from "node:net";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { create, type JsonObject } from "@bufbuild/protobuf";
import { AnySchema, anyPack, StructSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import { Metadata } from "@grpc/grpc-js";
import {
  type CallOptions,
  type Client,
  type ConnectOptions,
  connect,
  DeleteError,
  DeleteOutcome,
  type DeleteRequest,
  ErrorReason,
  status,
  TrutoResponseFormat,
} from "ticketing-user";
import { BadRequestSchema, ErrorInfoSchema, HelpSchema, RetryInfoSchema } from "ticketing-user/rpc";
import { DeleteTicketingUserRequestSchema } from "ticketing-user/v1";
import { Authority } from "./certificates.js";
import { Program, Sandbox, type Service, startService, Upstream } from "./programs.js";
import { ScriptedService, trailersWith } from "./scripted-service.js";

const HELP_SCOUT = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";
const ANA = { id: "23423524", integratedAccountId: HELP_SCOUT };
const REQUEST = { id: "42", integratedAccountId: "5f0c1e2d-0000-4000-8000-000000001000" };
const OK = { status: 200, headers: { "content-type": "application/json" }, body: '{"id":"42"}' };
const ONE_ATTEMPT = { TICKETING_TOKEN_RATE: "0", TICKETING_ACCOUNT_RATE: "0", TICKETING_MAX_ATTEMPTS: "1" };

let sandbox: Sandbox;
/** In front of the sandbox. */
let sandboxService: Service;
let upstream: Upstream;
/** In front of the upstream. Neither makes a second attempt, so that one delete says nothing about the next. */
let service: Service;

before(async () => {
  upstream = await Upstream.start();
  sandbox = await Sandbox.start();
  sandboxService = await startService(sandbox.url, { ...ONE_ATTEMPT, TRUTO_API_TOKEN: Sandbox.TOKEN });
  service = await startService(upstream.url, ONE_ATTEMPT);
});
after(async () => {
  await Program.stopAll();
  upstream.stop();
});

async function connectToSandbox(): Promise<Client> {
  await sandbox.reset();
  return connect(sandboxService.address, { plaintext: true });
}

function connectToService(options: ConnectOptions = {}): Client {
  return connect(service.address, { plaintext: true, ...options });
}

/** The error of a call, which must be a DeleteError. */
async function failureOf(call: Promise<unknown>): Promise<DeleteError> {
  const outcome = await call.catch((error: unknown) => error);
  assert(outcome instanceof DeleteError, `got ${outcome}`);
  return outcome;
}

describe("success", () => {
  test("a user is deleted", async () => {
    using client = await connectToSandbox();
    const answer = await client.delete({ ...ANA, trutoIgnoreRemoteData: true });
    assert.equal(answer.outcome, DeleteOutcome.DELETED);
    assert(answer.result.case === "user");
    assert.equal(answer.result.value.name, "Ana Souza");
    assert.equal(answer.report?.attempts, 1);
    const failure = await failureOf(client.delete(ANA));
    assert.equal(failure.reason, ErrorReason.USER_NOT_FOUND);
    assert.equal(failure.code, status.NOT_FOUND);
    assert.equal(failure.name, "DeleteError");
    assert.match(`${failure}`, /^USER_NOT_FOUND: /);
  });

  // Help Scout's own answer to a delete has no body.
  for (const [name, result] of [
    ["UNSPECIFIED", "user"],
    ["UNIFIED", "user"],
    ["NORMALIZED", "user"],
    ["RAW", undefined],
    ["STREAM", "raw"],
    ["DEBUG", "debug"],
  ] as const) {
    test(`in the response format ${name}`, async () => {
      using client = await connectToSandbox();
      const format = { trutoResponseFormat: TrutoResponseFormat[name], includeHttpBody: true };
      const answer = await client.delete({ ...ANA, ...format });
      assert.equal(answer.outcome, DeleteOutcome.DELETED);
      assert.equal(answer.result.case, result);
      assert.equal(answer.httpBody?.content.case, result && "data");
    });
  }

  test("a message is taken too, and not changed", async () => {
    using client = await connectToSandbox();
    const request = create(DeleteTicketingUserRequestSchema, ANA);
    const answer = await client.delete(request);
    assert.equal(request.requestId, "");
    assert.equal(answer.report?.requestId.length, 36);
  });
});

describe("streams", () => {
  const STREAM = { ...ANA, trutoResponseFormat: TrutoResponseFormat.STREAM };

  test("a stream is handed on whole", async () => {
    using client = await connectToSandbox();
    const stream = await client.deleteStream({ ...STREAM, remoteQuery: { sandbox_stream_bytes: "5000000" } });
    assert.equal(stream.header?.httpStatus, 200);
    assert.throws(() => stream.summary, /once all of its pieces were read/);
    let pieces = 0;
    let bytes = 0;
    for await (const piece of stream) {
      pieces++;
      bytes += piece.length;
    }
    assert.equal(bytes, 5_000_000);
    assert(pieces > 1);
    assert.equal(stream.summary.outcome, DeleteOutcome.DELETED);
    assert.deepEqual(stream.summary.report?.notes, []);
    for await (const _ of stream) assert.fail("there is more after the end");
  });

  test("a stream need not be read to its end", async () => {
    using client = await connectToSandbox();
    const stream = await client.deleteStream({ ...STREAM, remoteQuery: { sandbox_stream_bytes: "1000000000" } });
    for await (const _ of stream) break;
    const failure = await failureOf(
      (async () => {
        for await (const _ of stream);
      })(),
    );
    assert.equal(failure.code, status.CANCELLED);
  });

  test("a planned stream has a summary alone", async () => {
    using client = await connectToSandbox();
    using stream = await client.deleteStream({ ...ANA, validateOnly: true });
    assert.equal(stream.header, undefined);
    for await (const _ of stream) assert.fail("it has a piece");
    assert(stream.summary.result.case === "plannedRequest");
    assert.equal(stream.summary.result.value.method, "DELETE");
  });

  test("a stream without a summary is an error", async () => {
    const scripted = await ScriptedService.start();
    try {
      scripted.events = [{ case: "header", value: { httpStatus: 200 } }];
      using client = connect(scripted.address, { plaintext: true });
      using stream = await client.deleteStream(REQUEST);
      assert.equal(stream.header?.httpStatus, 200);
      const failure = await failureOf(
        (async () => {
          for await (const _ of stream);
        })(),
      );
      assert.equal(failure.message, "the stream ended before its summary");
      scripted.events = [];
      const empty = await failureOf(client.deleteStream(REQUEST));
      assert.deepEqual([empty.code, empty.message], [status.UNKNOWN, "the stream ended before its summary"]);
    } finally {
      scripted.stop();
    }
  });

  test("a stream without a header loses nothing", async () => {
    const scripted = await ScriptedService.start();
    try {
      scripted.events = [
        { case: "chunk", value: Buffer.from("a") },
        { case: "chunk", value: Buffer.from("b") },
        { case: "summary", value: { outcome: DeleteOutcome.DELETED } },
      ];
      using client = connect(scripted.address, { plaintext: true });
      using stream = await client.deleteStream(REQUEST);
      assert.equal(stream.header, undefined);
      const pieces: Uint8Array[] = [];
      for await (const piece of stream) pieces.push(piece);
      assert.equal(Buffer.concat(pieces).toString(), "ab");
      assert.equal(stream.summary.outcome, DeleteOutcome.DELETED);
    } finally {
      scripted.stop();
    }
  });
});

describe("errors", () => {
  test("no answer is an error that admits it", async () => {
    const listener = createServer().listen(0, "127.0.0.1");
    await once(listener, "listening");
    const address = listener.address();
    assert(typeof address === "object" && address);
    listener.close();
    await once(listener, "close");
    const channelOptions = { "grpc.enable_retries": 0 };
    using client = connect(`127.0.0.1:${address.port}`, { plaintext: true, channelOptions });
    const failure = await failureOf(client.delete(REQUEST));
    assert.equal(failure.code, status.UNAVAILABLE);
    assert.equal(failure.reason, ErrorReason.UNSPECIFIED);
    assert.equal(failure.delivery, "UNKNOWN");
    assert.deepEqual([failure.origin, failure.attempts, failure.retryAfterMs], [undefined, undefined, undefined]);
    assert.equal(failure.requestId.length, 36);
    assert.match(failure.advice, /requestId/);
    assert.match(`${failure}`, /^UNAVAILABLE: /);
    assert(failure.cause instanceof Error);
  });

  async function failureWith(details: Metadata): Promise<DeleteError> {
    const scripted = await ScriptedService.start({ code: status.ABORTED, details: "text", metadata: details });
    try {
      using client = connect(scripted.address, { plaintext: true });
      return await failureOf(client.delete({ ...REQUEST, requestId: "mine" }));
    } finally {
      scripted.stop();
    }
  }

  test("a reason that is new keeps its name", async () => {
    const info = create(ErrorInfoSchema, {
      reason: "NEW",
      domain: "ticketing.v1.TicketingUserService",
      metadata: { delivery: "NEW", origin: "NEW", attempts: "many", request_id: "r" },
    });
    const retry = create(RetryInfoSchema, { retryDelay: { seconds: 1n, nanos: 500_000_000 } });
    const failure = await failureWith(trailersWith(anyPack(ErrorInfoSchema, info), anyPack(RetryInfoSchema, retry)));
    assert.equal(failure.reason, ErrorReason.UNSPECIFIED);
    assert.equal(failure.reasonName, "NEW");
    assert.equal(`${failure}`, "NEW: text");
    assert.deepEqual([failure.delivery, failure.origin, failure.attempts], ["UNKNOWN", undefined, undefined]);
    assert.equal(failure.requestId, "r");
    assert.equal(failure.retryAfterMs, 1500);
  });

  test("details that are broken are as if they were not there", async () => {
    const details = [ErrorInfoSchema, RetryInfoSchema, HelpSchema, BadRequestSchema].map((schema) =>
      create(AnySchema, { typeUrl: `type.googleapis.com/${schema.typeName}`, value: new Uint8Array([0xff, 0xff]) }),
    );
    const retry = create(RetryInfoSchema, { retryDelay: { seconds: 1n } });
    details.push(anyPack(RetryInfoSchema, retry));
    const answer = { code: status.ABORTED, details: "text", metadata: trailersWith(...details) };
    const scripted = await ScriptedService.start(answer);
    try {
      using client = connect(scripted.address, { plaintext: true });
      for (const call of [client.delete(REQUEST), client.deleteStream(REQUEST)]) {
        const failure = await failureOf(call);
        assert.equal(`${failure}`, "ABORTED: text");
        assert.deepEqual([failure.delivery, failure.fieldViolations], ["UNKNOWN", []]);
        assert.match(failure.advice, /no answer of its own/);
        assert.equal(failure.retryAfterMs, 1000);
      }
    } finally {
      scripted.stop();
    }
  });

  test("details that are somebody else's are not read", async () => {
    const metadata = { delivery: "NOT_SENT" };
    const info = create(ErrorInfoSchema, { reason: "USER_NOT_FOUND", domain: "elsewhere", metadata });
    const broken = new Metadata();
    broken.set("grpc-status-details-bin", Buffer.from([0xff, 0xff]));
    for (const details of [trailersWith(anyPack(ErrorInfoSchema, info)), broken]) {
      const failure = await failureWith(details);
      assert.deepEqual([failure.reasonName, failure.delivery, failure.requestId], ["", "UNKNOWN", "mine"]);
    }
  });
});

describe("deadlines and giving up", () => {
  test("a deadline after the request was sent", async () => {
    upstream.play({ hang: true });
    using client = connectToService();
    // The deadline is not for the connection.
    await client.delete({ ...REQUEST, validateOnly: true });
    const failure = await failureOf(client.delete(REQUEST, { timeoutMs: 3000 }));
    assert.equal(upstream.received.length, 1);
    assert.equal(failure.code, status.DEADLINE_EXCEEDED);
    assert.equal(failure.delivery, "UNKNOWN");
    // A machine that is busy may keep the service's own answer from arriving in time.
    assert(["DEADLINE_EXCEEDED_OUTCOME_UNKNOWN", ""].includes(failure.reasonName));
  });

  test("a deadline too short to send anything", async () => {
    upstream.play(OK);
    using client = connectToService();
    const failure = await failureOf(client.delete(REQUEST, { timeoutMs: 50 }));
    assert.equal(failure.code, status.DEADLINE_EXCEEDED);
    assert.deepEqual(upstream.received, []);
  });

  for (const timeoutMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    test(`a deadline in ${timeoutMs} ms is refused`, async () => {
      using client = connectToService();
      await assert.rejects(client.delete(REQUEST, { timeoutMs }), RangeError);
    });
  }

  test("a call that is given up may have been executed", async () => {
    upstream.play({ hang: true });
    using client = connectToService();
    const controller = new AbortController();
    const requested = upstream.nextRequest();
    const call = failureOf(client.delete(REQUEST, { signal: controller.signal }));
    await requested;
    controller.abort();
    const failure = await call;
    assert.deepEqual([failure.code, failure.delivery], [status.CANCELLED, "UNKNOWN"]);
  });

  test("a call that is given up before it begins was not sent", async () => {
    upstream.play(OK);
    using client = connectToService({ token: () => assert.fail("it is asked for") });
    const reason = new Error("enough");
    const failure = await failureOf(client.delete(REQUEST, { signal: AbortSignal.abort(reason) }));
    assert.deepEqual([failure.code, failure.delivery, failure.attempts], [status.CANCELLED, "NOT_SENT", 0]);
    assert.equal(failure.cause, reason);
    assert.deepEqual(upstream.received, []);
  });

  test("one signal gives any number of calls up, by one listener", async () => {
    upstream.play(...Array(20).fill({ hang: true }));
    using calling = connectToService();
    using waiting = connectToService({ token: () => new Promise<string>(() => {}) });
    const controller = new AbortController();
    const { signal } = controller;
    const calls = Array.from({ length: 20 }, () => [
      failureOf(calling.delete(REQUEST, { signal })),
      failureOf(waiting.deleteStream(REQUEST, { signal })),
    ]).flat();
    await setImmediate();
    assert.equal(getEventListeners(signal, "abort").length, 1);
    controller.abort();
    for (const failure of await Promise.all(calls)) assert.equal(failure.code, status.CANCELLED);
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });

  test("a client that is closed ends its calls, and takes no others", async () => {
    upstream.play({ hang: true });
    const client = connectToService();
    const requested = upstream.nextRequest();
    const call = failureOf(client.delete(REQUEST));
    await requested;
    client.close();
    assert.equal((await call).code, status.CANCELLED);
    await assert.rejects(client.delete(REQUEST), /^Error: the client is closed$/);
  });

  // What is left behind would keep the process.
  test("a process ends when its clients are closed, whenever that is", () => {
    const program = `
      import { connect } from "ticketing-user";
      for (let turns = 0; turns < 100; turns++) {
        const client = connect("${service.address}", { plaintext: true });
        const call = client.delete(${JSON.stringify({ ...REQUEST, validateOnly: true })}).catch(() => {});
        for (let turn = 0; turn < turns; turn++) await (turns % 2 ? null : new Promise(setImmediate));
        client.close();
        await call;
      }`;
    const flags = ["--input-type=module", "--eval", program];
    const { error, stderr } = spawnSync(process.execPath, flags, { encoding: "utf8", timeout: 120_000 });
    assert.deepEqual([error, stderr], [undefined, ""]);
  });
});

describe("retries", () => {
  test("the service's push-back is heeded", async () => {
    upstream.play({ status: 425 }, OK);
    using client = connectToService();
    const answer = await client.delete(REQUEST);
    assert.equal(answer.outcome, DeleteOutcome.DELETED);
    const [first, second] = upstream.received;
    assert(first && second);
    // The service says 1 s; the client's own back-off would be at most 0.12 s. A timer may be early by a millisecond.
    assert(second.time - first.time >= 999);
    assert.equal(first.headers["idempotency-key"], answer.report?.requestId);
    assert.equal(second.headers["idempotency-key"], answer.report?.requestId);
  });

  test("a stream is repeated likewise", async () => {
    upstream.play({ status: 425 }, OK);
    using client = connectToService();
    using stream = await client.deleteStream(REQUEST);
    const pieces: Uint8Array[] = [];
    for await (const piece of stream) pieces.push(piece);
    assert.equal(Buffer.concat(pieces).toString(), OK.body);
    const keys = upstream.received.map(({ headers }) => headers["idempotency-key"]);
    const requestId = stream.summary.report?.requestId;
    assert.deepEqual(keys, [requestId, requestId]);
  });

  for (const answer of [{ status: 429, headers: { "retry-after": "1" } }, { status: 500 }, { status: 409 }]) {
    test(`a ${answer.status} is not repeated`, async () => {
      upstream.play(answer, OK);
      using client = connectToService();
      await failureOf(client.delete(REQUEST));
      assert.equal(upstream.received.length, 1);
    });
  }

  /** How often each of two calls of one client is made, when none succeeds. */
  async function attemptsWithPushBack(milliseconds: string): Promise<number[]> {
    const metadata = new Metadata();
    metadata.set("grpc-retry-pushback-ms", milliseconds);
    const scripted = await ScriptedService.start({ code: status.UNAVAILABLE, details: "text", metadata });
    try {
      using client = connect(scripted.address, { plaintext: true });
      await failureOf(client.delete(REQUEST));
      const first = scripted.calls;
      await failureOf(client.delete(REQUEST));
      return [first, scripted.calls - first];
    } finally {
      scripted.stop();
    }
  }

  test("there are at most 3, and none when many failed", async () => {
    assert.deepEqual(await attemptsWithPushBack("0"), [4, 1]);
  });

  test("there are none where the service forbids it", async () => {
    assert.deepEqual(await attemptsWithPushBack("-1"), [1, 1]);
  });
});

test("a repeat after a replica that died does not hide its delete", async () => {
  // Its token tells which one has sent the request.
  const services = new Map<string | undefined, Service>();
  try {
    for (const token of ["first", "second"]) {
      services.set(`Bearer ${token}`, await startService(upstream.url, { ...ONE_ATTEMPT, TRUTO_API_TOKEN: token }));
    }
    const absent = { statusCode: 404, error: "Not Found", message: "No such user" };
    upstream.play({ hang: true }, { status: 404, body: JSON.stringify(absent) });
    using client = connect(`ipv4:${[...services.values()].map(({ address }) => address)}`, { plaintext: true });
    const requested = upstream.nextRequest();
    const call = failureOf(client.delete(REQUEST));
    await requested;
    await services.get(upstream.received[0]?.headers.authorization)?.program.stop();
    const failure = await call;
    const keys = upstream.received.map(({ headers }) => headers["idempotency-key"]);
    assert.deepEqual(keys, [failure.requestId, failure.requestId]);
    assert.equal(failure.reason, ErrorReason.ABSENT_AFTER_AMBIGUOUS_ATTEMPT);
    assert.equal(failure.delivery, "UNKNOWN");
    assert.equal(failure.metadata.previous_rpc_attempts, "1");
  } finally {
    for (const { program } of services.values()) await program.stop();
  }
});

describe("balancing", () => {
  test("calls go to all addresses that stay", async () => {
    // Each says in its plan where it would send the request. The end comes long after the test.
    const settings = { TICKETING_DRAIN_DELAY: "10m" };
    const services: Service[] = [];
    try {
      for (const port of [1, 2]) services.push(await startService(`http://127.0.0.1:${port}`, settings));
      const target = `ipv4:${services.map(({ address }) => address)}`;
      const connectToBoth = () => connect(target, { plaintext: true });
      const called = async (client: Client) => {
        const { result } = await client.delete({ ...REQUEST, validateOnly: true });
        assert(result.case === "plannedRequest");
        return new URL(result.value.url).port;
      };
      using client = connectToBoth();
      /** Whether the one was called `wanted` times in a row, of 10,000 times at most. */
      const isCalled = async (port: string, wanted: number) => {
        let count = 0;
        for (let call = 0; call < 10_000 && count < wanted; call++) {
          count = (await called(client)) === port ? count + 1 : 0;
        }
        return count === wanted;
      };
      assert(await isCalled("1", 1));
      assert(await isCalled("2", 1));
      services[0]?.program.terminate();
      // In turn it would be called again at once.
      assert(await isCalled("2", 20));
      // What one client knows of a connection, the next one does.
      using another = connectToBoth();
      for (let call = 0; call < 20; call++) assert.equal(await called(another), "2");
    } finally {
      for (const { program } of services) await program.stop();
    }
  });

  describe("by the health that a service tells", () => {
    const channelOptions = { "grpc.enable_retries": 0 };
    let scripted: ScriptedService;

    beforeEach(async () => {
      scripted = await ScriptedService.start({ code: status.ABORTED, details: "text" });
    });
    afterEach(() => scripted.stop());

    const connectToIt = () => connect(scripted.address, { plaintext: true, channelOptions });
    /** Whether a call ends like that, of 10,000 at most. */
    const endsWith = async (client: Client, code: status) => {
      for (let call = 0; call < 10_000; call++) {
        if ((await failureOf(client.delete(REQUEST))).code === code) return true;
        // A call that is refused at once lets nothing else happen.
        await setImmediate();
      }
      return false;
    };

    test("one that is well again is called again", async () => {
      using client = connectToIt();
      assert(await endsWith(client, status.ABORTED));
      scripted.sayHealth(2);
      assert(await endsWith(client, status.UNAVAILABLE));
      scripted.sayHealth(1);
      assert(await endsWith(client, status.ABORTED));
      using another = connectToIt();
      assert.equal((await failureOf(another.delete(REQUEST))).code, status.ABORTED);
    });

    test("one that says no more is asked again, and is as it was until then", async () => {
      using client = connectToIt();
      assert(await endsWith(client, status.ABORTED));
      scripted.sayHealth(2);
      assert(await endsWith(client, status.UNAVAILABLE));
      const asked = scripted.nextWatch();
      scripted.endHealth();
      assert.equal((await failureOf(client.delete(REQUEST))).code, status.UNAVAILABLE);
      await asked;
      assert(await endsWith(client, status.ABORTED));
    });
  });
});

describe("values that must survive", () => {
  class Thing {}
  const REFUSED: [unknown, string][] = [
    [2 ** 53, "9007199254740992 is beyond 2^53; give it as a string"],
    [-(2 ** 63), "-9223372036854776000 is beyond 2^53; give it as a string"],
    [2n, "a bigint is no JSON"],
    [Number.NaN, "NaN is no JSON"],
    [Number.NEGATIVE_INFINITY, "-Infinity is no JSON"],
    [undefined, "undefined is no JSON"],
    [() => 1, "a function is no JSON"],
    [Symbol("s"), "a symbol is no JSON"],
    [new Date(), "a Date is no JSON"],
    [new Map(), "a Map is no JSON"],
    [new Thing(), "a Thing is no JSON"],
    ["\ud83d", "has half of a surrogate pair, which is no text"],
  ];
  for (const [value, complaint] of REFUSED) {
    test(`remoteQuery is refused: ${complaint}`, async () => {
      using client = connectToService();
      const remoteQuery = { a: [1, { b: value }] } as unknown as JsonObject;
      const message = `remoteQuery.a[1].b: ${complaint}`;
      await assert.rejects(client.delete({ ...REQUEST, remoteQuery }), { message });
      await assert.rejects(client.deleteStream({ ...REQUEST, remoteQuery }), { message });
    });
  }

  test("what a double carries is taken", async () => {
    using client = connectToService();
    const remoteQuery = {
      a: 2 ** 53 - 1,
      b: 0.1,
      c: { d: "9223372036854775807" },
      e: null,
      f: [true, "😀"],
      g: {},
      h: [],
    };
    const { result } = await client.delete({ ...REQUEST, remoteQuery, validateOnly: true });
    assert(result.case === "plannedRequest");
    const query = new URL(result.value.url).searchParams;
    query.delete("integrated_account_id");
    assert.deepEqual(
      [...query],
      [
        ["remote_query[a]", "9007199254740991"],
        ["remote_query[b]", "0.1"],
        ["remote_query[c][d]", "9223372036854775807"],
        ["remote_query[e]", ""],
        ["remote_query[f][]", "true"],
        ["remote_query[f][]", "😀"],
      ],
    );
  });

  test("what is there twice is no cycle", async () => {
    using client = connectToService();
    const twice = { a: 1 };
    await client.delete({ ...REQUEST, remoteQuery: { b: twice, c: [twice, twice] }, validateOnly: true });
  });

  const CYCLE = { a: [1, {}] };
  CYCLE.a[1] = { b: CYCLE.a };

  // What the compiler says of programs that have types.
  const MISTAKES: [object, string][] = [
    [{ validate_only: true }, "validate_only: there is no such field"],
    [{ organization: { name: "a" } }, "organization.name: there is no such field"],
    [{ collections: [{ id: "1" }, "2"] }, "collections[1]: a string is no object"],
    [{ collections: "12" }, "collections: a string is no list"],
    [{ trutoExcludeFields: ["id", 5] }, "trutoExcludeFields[1]: a number is no string"],
    [{ id: 42 }, "id: a number is no string"],
    [{ id: null }, "id: null is no string"],
    [{ id: "a\udc00" }, "id: has half of a surrogate pair, which is no text"],
    [{ validateOnly: "false" }, "validateOnly: a string is no boolean"],
    [{ trutoResponseFormat: "RAW" }, "trutoResponseFormat: a string is no number"],
    [{ trutoResponseFormat: 1.5 }, "trutoResponseFormat: 1.5 is no integer of 32 bits"],
    [{ trutoResponseFormat: 2 ** 31 }, "trutoResponseFormat: 2147483648 is no integer of 32 bits"],
    [{ remoteQuery: [1] }, "remoteQuery: a list is no object"],
    [{ remoteQuery: create(StructSchema) }, "remoteQuery: a message, google.protobuf.Struct, is no JSON"],
    [{ remoteQuery: { a: create(ValueSchema) } }, "remoteQuery.a: a message, google.protobuf.Value, is no JSON"],
    [{ remoteQuery: CYCLE }, "remoteQuery.a[1].b: has itself within"],
    [{ remoteQuery: { "\ud83d": 1 } }, "remoteQuery.\ud83d: has half of a surrogate pair, which is no text"],
  ];
  for (const [mistake, message] of MISTAKES) {
    test(`a request is refused: ${message}`, async () => {
      upstream.play(OK);
      using client = connectToService();
      await assert.rejects(client.delete({ ...REQUEST, ...mistake } as DeleteRequest), { name: "TypeError", message });
      assert.deepEqual(upstream.received, []);
    });
  }
});

test("an option that there is not is refused", async () => {
  upstream.play(OK);
  using client = connectToService({ token: undefined });
  for (const call of [
    client.delete(REQUEST, { timeoutMS: 1 } as CallOptions),
    client.deleteStream(REQUEST, { timeoutMS: 1 } as CallOptions),
  ]) {
    await assert.rejects(call, { name: "TypeError", message: "timeoutMS: there is no such option" });
  }
  const complaint = { name: "TypeError", message: "plainText: there is no such option" };
  assert.throws(() => connect(service.address, { plainText: true } as ConnectOptions), complaint);
  assert.deepEqual(upstream.received, []);
});

describe("TLS and tokens", () => {
  let authority: Authority;
  let nobody: Authority;
  let mutualTls: Service;
  let ofService: Record<string, string>;

  before(async () => {
    authority = new Authority();
    nobody = new Authority();
    const { certificateFile, keyFile } = authority.issue("ticketing.example");
    ofService = { TICKETING_TLS_CERT_FILE: certificateFile, TICKETING_TLS_KEY_FILE: keyFile };
    mutualTls = await startService(upstream.url, {
      ...ofService,
      TICKETING_TLS_CLIENT_CA_FILE: authority.caFile,
      TICKETING_ALLOWED_CLIENTS: "allowed.example",
    });
  });
  after(() => {
    authority.remove();
    nobody.remove();
  });

  function connectWithTls({ address }: Service, options: ConnectOptions): Client {
    return connect(address, { caFile: authority.caFile, serverName: "ticketing.example", ...options });
  }

  test("a caller with a certificate is let in", async () => {
    upstream.play(OK);
    using client = connectWithTls(mutualTls, authority.issue("allowed.example"));
    const { result } = await client.delete(REQUEST);
    assert(result.case === "user");
    assert.equal(result.value.id, "42");
  });

  test("a caller with another certificate is not allowed", async () => {
    upstream.play(OK);
    using client = connectWithTls(mutualTls, authority.issue("other.example"));
    const failure = await failureOf(client.delete(REQUEST));
    assert.equal(failure.reason, ErrorReason.CALLER_NOT_ALLOWED);
    assert.equal(failure.delivery, "NOT_SENT");
    assert.deepEqual(upstream.received, []);
  });

  for (const [wrong, change] of [
    ["no certificate", () => ({ certificateFile: undefined, keyFile: undefined })],
    ["another name of the service", () => ({ serverName: "elsewhere.example" })],
    ["an authority of nobody", () => ({ caFile: nobody.caFile })],
  ] as const) {
    test(`a connection that is not as agreed is none: ${wrong}`, async () => {
      upstream.play(OK);
      using client = connectWithTls(mutualTls, { ...authority.issue("allowed.example"), ...change() });
      const failure = await failureOf(client.delete(REQUEST));
      assert.equal(failure.code, status.UNAVAILABLE);
      assert.deepEqual(upstream.received, []);
    });
  }

  test("each call asks for its token", async () => {
    upstream.play(OK, OK);
    const callers = await startService(upstream.url, { ...ofService, TICKETING_AUTH: "caller" });
    const tokens = ["first", "second"];
    const token = async () => {
      const next = tokens.shift();
      if (next === undefined) throw new Error("none is left");
      return next;
    };
    try {
      using client = connectWithTls(callers, { token });
      await client.delete(REQUEST);
      await client.delete(REQUEST);
      const failure = await failureOf(client.delete(REQUEST));
      assert.deepEqual([failure.code, failure.delivery], [status.UNAUTHENTICATED, "NOT_SENT"]);
      assert.equal(failure.message, "no token for the call: none is left");
    } finally {
      await callers.program.stop();
    }
    const sent = upstream.received.map(({ headers }) => headers.authorization);
    assert.deepEqual(sent, ["Bearer first", "Bearer second"]);
  });

  for (const [none, kind] of [
    [undefined, "undefined"],
    [null, "null"],
    [42, "a number"],
  ] as const) {
    test(`what is no token is not sent: ${kind}`, async () => {
      upstream.play(OK);
      const tokens = [() => none, async () => none, none].filter((token) => token !== undefined);
      for (const token of tokens as unknown as NonNullable<ConnectOptions["token"]>[]) {
        using client = connectToService({ token });
        for (const call of [client.delete(REQUEST), client.deleteStream(REQUEST)]) {
          const failure = await failureOf(call);
          assert.deepEqual([failure.code, failure.delivery], [status.UNAUTHENTICATED, "NOT_SENT"]);
          assert.equal(failure.message, `no token for the call: ${kind} is no string`);
          assert.match(failure.advice, /^Nothing was sent\./);
        }
      }
      assert.deepEqual(upstream.received, []);
    });
  }

  test("a token that is none is not shown", async () => {
    for (const token of ["secret\n", ""]) {
      using client = connectToService({ token });
      const failure = await failureOf(client.delete(REQUEST));
      assert.equal(failure.delivery, "NOT_SENT");
      assert.doesNotMatch(failure.stack ?? "", /secret/);
    }
  });

  test("a token that does not come ends with the call's time", async () => {
    using client = connectToService({ token: () => new Promise<string>(() => {}) });
    const late = await failureOf(client.delete(REQUEST, { timeoutMs: 1 }));
    assert.deepEqual([late.code, late.delivery], [status.DEADLINE_EXCEEDED, "NOT_SENT"]);
    const controller = new AbortController();
    const call = failureOf(client.delete(REQUEST, { signal: controller.signal }));
    controller.abort();
    assert.deepEqual([(await call).code, (await call).delivery], [status.CANCELLED, "NOT_SENT"]);
  });

  for (const [target, isRefused] of [
    ["ticketing.example:50051", true],
    ["dns:///ticketing.example:50051", true],
    ["dns://127.0.0.1/ticketing.example:50051", true],
    ["localhost.example:50051", true],
    ["127.example:50051", true],
    ["10.0.0.1:50051", true],
    ["ipv4:127.0.0.1:50051,10.0.0.1:50051", true],
    ["localhost:50051", false],
    ["dns:///localhost:50051", false],
    ["127.0.0.1:50051", false],
    ["[::1]:50051", false],
    ["unix:/run/ticketing", false],
  ] as const) {
    test(`a token ${isRefused ? "does not go" : "goes"} to ${target} in plaintext`, () => {
      const connectTo = () => connect(target, { plaintext: true, token: "secret" }).close();
      if (isRefused) assert.throws(connectTo, /over TLS only/);
      else connectTo();
    });
  }

  test("what goes in plaintext goes through no proxy", async () => {
    let connections = 0;
    const proxy = createServer((socket) => {
      connections++;
      socket.destroy();
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const address = proxy.address();
    assert(typeof address === "object" && address);
    const url = `http://127.0.0.1:${address.port}`;
    const environment = process.env;
    process.env = { ...environment, grpc_proxy: url, http_proxy: url, no_grpc_proxy: "", no_proxy: "" };
    try {
      using client = connectToService({ token: "secret" });
      await client.delete({ ...REQUEST, validateOnly: true });
    } finally {
      process.env = environment;
      proxy.close();
    }
    assert.equal(connections, 0);
  });

  test("options that contradict each other are refused", () => {
    const { certificateFile, keyFile } = authority.issue("allowed.example");
    for (const [options, complaint] of [
      [{ plaintext: true, serverName: "a" }, /plaintext connection/],
      [{ certificateFile }, /belong together/],
      [{ keyFile }, /belong together/],
      [{ caFile: "absent.pem" }, /absent\.pem/],
      [{ caFile: keyFile }, /has no certificate/],
      [{ certificateFile: keyFile, keyFile }, /PEM|start line/i],
    ] as const) {
      assert.throws(() => connect("localhost:1", options), complaint);
    }
  });
});

test("the example runs", async () => {
  await sandbox.reset();
  const run = () =>
    spawnSync(
      process.execPath,
      ["examples/delete-user.js", "--plaintext", sandboxService.address, ANA.id, HELP_SCOUT],
      {
        encoding: "utf8",
      },
    );
  const first = run();
  assert.deepEqual([first.status, first.stdout, first.stderr], [0, "DELETED 23423524 Ana Souza\n", ""]);
  const second = run();
  assert.deepEqual([second.status, second.stdout], [1, ""]);
  assert.match(second.stderr, /^USER_NOT_FOUND: /);
});
