import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import { create, type DescMessage, type DescMethod, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  type ChannelCredentials,
  type ChannelOptions,
  type ClientReadableStream,
  type ClientUnaryCall,
  credentials,
  Client as GrpcClient,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { fromGrpc, givenUp } from "./errors.js";
import { serviceConfig } from "./gen/service_config.js";
import {
  type DeleteTicketingUserResponse,
  type DeleteTicketingUserStreamResponse,
  TicketingUserService,
} from "./gen/ticketing/v1/ticketing_user_service_pb.js";
import { HEALTH_CHECKED_ROUND_ROBIN } from "./health.js";
import { checkOptions, type DeleteRequest, makeRequest } from "./request.js";
import { onAbort } from "./signals.js";
import { DeleteStream } from "./stream.js";
import { askForToken, type TokenSource } from "./token.js";

/** Milliseconds of a delete that names none, as in the service, which cuts longer ones to 60 s by default. */
export const DEADLINE_MS = 30_000;
/** The same for a stream, which may take up to an hour once its answer has begun. */
export const STREAM_DEADLINE_MS = 600_000;

/** The longest that a timer can wait. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

type Call = ClientUnaryCall | ClientReadableStream<DeleteTicketingUserStreamResponse>;

/** How to reach the service. */
export interface ConnectOptions {
  /** No TLS. */
  plaintext?: boolean | undefined;
  /** The authorities to trust, and no others; without it those of Node.js. */
  caFile?: string | URL | undefined;
  /** With `keyFile`: who the caller is, for a service that asks for certificates (mTLS). */
  certificateFile?: string | URL | undefined;
  keyFile?: string | URL | undefined;
  /** The name that the service's certificate must have, if it is not the target's. */
  serverName?: string | undefined;
  /** Truto's, for a service with TICKETING_AUTH=caller; a function is asked anew for each call. */
  token?: TokenSource | undefined;
  /** gRPC's own, which go before those of this package. */
  channelOptions?: ChannelOptions | undefined;
}

/** How to make a call. */
export interface CallOptions {
  /** The deadline, in milliseconds from now; DEADLINE_MS or STREAM_DEADLINE_MS when absent. */
  timeoutMs?: number | undefined;
  /** Gives the call up: it fails with a DeleteError of the code CANCELLED. */
  signal?: AbortSignal | undefined;
}

// The compiler finds a name that is missing or too much.
const CONNECT_OPTIONS = Object.keys({
  plaintext: 0,
  caFile: 0,
  certificateFile: 0,
  keyFile: 0,
  serverName: 0,
  token: 0,
  channelOptions: 0,
} satisfies Record<keyof ConnectOptions, 0>);
const CALL_OPTIONS = Object.keys({ timeoutMs: 0, signal: 0 } satisfies Record<keyof CallOptions, 0>);

/**
 * A client of the service at `target`, such as "ticketing.example:50051"; nothing is sent yet.
 *
 * What is in files is read now. The channel balances over all addresses of the target (round robin) that say that they
 * are healthy, and repeats a call that ended as UNAVAILABLE, when the service says that it may, or whose connection broke;
 * at most 3 times.
 */
export function connect(target: string, options: ConnectOptions = {}): Client {
  checkOptions(options, CONNECT_OPTIONS);
  const channelOptions: ChannelOptions = {
    "grpc.service_config": JSON.stringify({
      ...serviceConfig,
      loadBalancingConfig: [{ [HEALTH_CHECKED_ROUND_ROBIN]: serviceConfig.healthCheckConfig }],
    }),
    // Which calls are repeated is not for DNS to say.
    "grpc.service_config_disable_resolution": 1,
    // So that the replicas of a rollout are found while the old ones drain; by default 30 s.
    "grpc.dns_min_time_between_resolutions_ms": 1000,
    // What is not encrypted, such as a token, is for the target alone.
    ...(options.plaintext ? { "grpc.enable_http_proxy": 0 } : {}),
    ...(options.serverName === undefined ? {} : { "grpc.ssl_target_name_override": options.serverName }),
    ...options.channelOptions,
  };
  return new Client(new GrpcClient(target, channelCredentials(target, options), channelOptions), options.token);
}

/** Deletes users, any number at a time. Close it, or declare it with `using`. */
export class Client {
  readonly #channel: GrpcClient;
  readonly #token: TokenSource | undefined;
  readonly #calls = new Set<Call>();
  #closed = false;

  /** On a channel of the caller's own making; `connect` makes one that suits the service. */
  constructor(channel: GrpcClient, token?: TokenSource) {
    this.#channel = channel;
    this.#token = token;
  }

  /**
   * Deletes one user. Throws a DeleteError unless the service says OK, and a TypeError or RangeError for a request that
   * would not arrive as it is.
   *
   * Without a `requestId` a new one is made; the error has it, to repeat the delete under. The request is not changed.
   */
  async delete(request: DeleteRequest, options: CallOptions = {}): Promise<DeleteTicketingUserResponse> {
    const method = TicketingUserService.method.deleteTicketingUser;
    const message = makeRequest(request);
    const bytes = Buffer.from(toBinary(method.input, message));
    const { metadata, deadline } = await this.#prepare(message.requestId, DEADLINE_MS, options);
    this.#checkWanted(message.requestId, options);
    return new Promise((resolve, reject) => {
      const call = this.#channel.makeUnaryRequest(
        pathOf(method),
        asTheyAre,
        parserOf(method.output),
        bytes,
        metadata,
        { deadline },
        (error, response) =>
          response ? resolve(response) : reject(fromGrpc(error as ServiceError, message.requestId)),
      );
      this.#track(call, options.signal);
    });
  }

  /**
   * Deletes one user and hands on the answer's body as it arrives; otherwise as `delete`. The stream is there once the
   * answer has begun.
   */
  async deleteStream(request: DeleteRequest, options: CallOptions = {}): Promise<DeleteStream> {
    const method = TicketingUserService.method.deleteTicketingUserStream;
    const message = makeRequest(request);
    const bytes = Buffer.from(toBinary(method.input, create(method.input, { request: message })));
    const { metadata, deadline } = await this.#prepare(message.requestId, STREAM_DEADLINE_MS, options);
    this.#checkWanted(message.requestId, options);
    const call = this.#channel.makeServerStreamRequest(
      pathOf(method),
      asTheyAre,
      parserOf(method.output),
      bytes,
      metadata,
      { deadline },
    );
    this.#track(call, options.signal);
    return DeleteStream.open(call, message.requestId);
  }

  /** Ends all calls and the connection. */
  close(): void {
    this.#closed = true;
    for (const call of this.#calls) call.cancel();
    // gRPC connects to an address that is no name in the next turn, even when it was closed meanwhile.
    setImmediate(() => this.#channel.close());
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** What a call is made with. */
  async #prepare(
    requestId: string,
    defaultTimeoutMs: number,
    options: CallOptions,
  ): Promise<{ metadata: Metadata; deadline: number }> {
    checkOptions(options, CALL_OPTIONS);
    const { timeoutMs = defaultTimeoutMs, signal } = options;
    this.#checkWanted(requestId, options);
    if (!(timeoutMs > 0 && timeoutMs <= LONGEST_TIMEOUT_MS)) {
      throw new RangeError(`timeoutMs: ${timeoutMs} is not between 0 and ${LONGEST_TIMEOUT_MS}`);
    }
    const deadline = Date.now() + timeoutMs;
    const metadata = new Metadata();
    if (this.#token !== undefined) {
      metadata.set("authorization", `Bearer ${await askForToken(this.#token, timeoutMs, signal, requestId)}`);
    }
    return { metadata, deadline };
  }

  #checkWanted(requestId: string, { signal }: CallOptions): void {
    if (signal?.aborted) throw givenUp(signal, requestId);
    if (this.#closed) throw new Error("the client is closed");
  }

  /** Until the call ends, the signal and `close` end it. */
  #track(call: Call, signal: AbortSignal | undefined): void {
    this.#calls.add(call);
    const stopListening = onAbort(signal, () => call.cancel());
    call.once("status", () => {
      this.#calls.delete(call);
      stopListening();
    });
  }
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** Written before, so that a request is what it was when the call was made. */
function asTheyAre(bytes: Buffer): Buffer {
  return bytes;
}

function parserOf<T extends DescMessage>(schema: T): (bytes: Buffer) => MessageShape<T> {
  return (bytes) => fromBinary(schema, bytes);
}

function channelCredentials(
  target: string,
  { plaintext, caFile, certificateFile, keyFile, serverName, token }: ConnectOptions,
): ChannelCredentials {
  if (plaintext) {
    if ([caFile, certificateFile, keyFile, serverName].some((part) => part !== undefined)) {
      throw new TypeError("a plaintext connection has no authorities, certificate, key or server name");
    }
    if (token !== undefined && !isLoopback(target)) {
      throw new TypeError(`a token goes to ${target} over TLS only, not in plaintext`);
    }
    return credentials.createInsecure();
  }
  if ((certificateFile === undefined) !== (keyFile === undefined)) {
    throw new TypeError("certificateFile and keyFile belong together: give both or neither");
  }
  return credentials.createSsl(readAuthorities(caFile), read(keyFile), read(certificateFile));
}

/** Node.js takes a file without certificates for one that trusts nobody. */
function readAuthorities(path: string | URL | undefined): Buffer | null {
  const authorities = read(path);
  try {
    if (authorities) new X509Certificate(authorities);
  } catch (cause) {
    throw new TypeError(`${path} has no certificate`, { cause });
  }
  return authorities;
}

function read(path: string | URL | undefined): Buffer | null {
  return path === undefined ? null : readFileSync(path);
}

function isLoopback(target: string): boolean {
  if (target.startsWith("unix:")) return true;
  const host = target
    .replace(/^(dns:(\/\/\/)?|ipv[46]:)/, "")
    .replace(/:\d+$/, "")
    .replace(/^\[(.*)\]$/, "$1");
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}
