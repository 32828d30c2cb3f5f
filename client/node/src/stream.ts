import { type ClientReadableStream, type ServiceError, status } from "@grpc/grpc-js";
import { DeleteError, fromGrpc } from "./errors.js";
import type {
  DeleteTicketingUserResponse,
  DeleteTicketingUserStreamResponse,
  StreamHeader,
} from "./gen/ticketing/v1/ticketing_user_service_pb.js";

type Call = ClientReadableStream<DeleteTicketingUserStreamResponse>;
type Event = DeleteTicketingUserStreamResponse["event"];

/**
 * The body of an answer, piece by piece; iterate over it, then read `summary`.
 *
 * Once there is a `header`, the delete is done, even if the iteration ends with a DeleteError. An iteration that is left
 * before its end closes the stream.
 */
export class DeleteStream implements AsyncIterable<Uint8Array> {
  readonly #call: Call;
  readonly #events: AsyncIterator<DeleteTicketingUserStreamResponse>;
  readonly #requestId: string;
  #first: Event | undefined;
  #header: StreamHeader | undefined;
  #summary: DeleteTicketingUserResponse | undefined;

  private constructor(call: Call, requestId: string) {
    this.#call = call;
    this.#events = call[Symbol.asyncIterator]();
    this.#requestId = requestId;
    // The iteration throws it; where nobody iterates it would end the process.
    call.on("error", () => {});
  }

  /** @internal Waits for the first event. A delete that failed has none; its error is thrown. */
  static async open(call: Call, requestId: string): Promise<DeleteStream> {
    const stream = new DeleteStream(call, requestId);
    stream.#first = await stream.#next();
    if (stream.#first?.case === "header") stream.#header = stream.#first.value;
    return stream;
  }

  /** Undefined with `validateOnly`, and for a user that was already absent. */
  get header(): StreamHeader | undefined {
    return this.#header;
  }

  /** Outcome and report, which come after the last piece. */
  get summary(): DeleteTicketingUserResponse {
    if (!this.#summary) throw new Error("the summary of a DeleteStream is there once all of its pieces were read");
    return this.#summary;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      let event = this.#first ?? (await this.#next());
      this.#first = undefined;
      for (; event; event = await this.#next()) {
        if (event.case === "chunk") yield event.value;
      }
    } finally {
      this.close();
    }
  }

  /** Reads no further. The delete is not undone. */
  close(): void {
    this.#call.cancel();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #next(): Promise<Event | undefined> {
    let next: IteratorResult<DeleteTicketingUserStreamResponse>;
    try {
      next = await this.#events.next();
    } catch (error) {
      throw fromGrpc(error as ServiceError, this.#requestId);
    }
    if (!next.done) {
      if (next.value.event.case === "summary") this.#summary = next.value.event.value;
      return next.value.event;
    }
    if (!this.#summary) {
      const message = "the stream ended before its summary";
      throw new DeleteError({ code: status.UNKNOWN, message, requestId: this.#requestId });
    }
    return undefined;
  }
}
