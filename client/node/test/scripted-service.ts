/** gRPC's own server in the service's place, for what a service that is newer, or broken, may answer. */
import { EventEmitter, once } from "node:events";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type StatusObject,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { StatusSchema } from "ticketing-user/rpc";
import { DeleteTicketingUserStreamResponseSchema, TicketingUserService } from "ticketing-user/v1";

export class ScriptedService {
  /** How many deletes came in. */
  calls = 0;
  address = "";
  /** What a stream has. */
  events: NonNullable<MessageInitShape<typeof DeleteTicketingUserStreamResponseSchema>["event"]>[] = [];
  #health: ServerWritableStream<Buffer, Buffer> | undefined;
  readonly #server = new Server();
  readonly #events = new EventEmitter();

  private constructor(answer: Partial<StatusObject>) {
    const { deleteTicketingUser, deleteTicketingUserStream } = TicketingUserService.method;
    this.#server.addService(
      {
        delete: definitionOf(deleteTicketingUser.name, false),
        deleteStream: definitionOf(deleteTicketingUserStream.name, true),
      },
      {
        delete: (_: ServerUnaryCall<Buffer, Buffer>, send: sendUnaryData<Buffer>) => {
          this.calls++;
          send(answer);
        },
        deleteStream: (call: ServerWritableStream<Buffer, Buffer>) => {
          if (answer.code) {
            call.emit("error", answer);
            return;
          }
          const schema = DeleteTicketingUserStreamResponseSchema;
          for (const event of this.events) call.write(Buffer.from(toBinary(schema, create(schema, { event }))));
          call.end();
        },
      },
    );
    const watch = { ...definitionOf("Watch", true), path: "/grpc.health.v1.Health/Watch" };
    this.#server.addService(
      { watch },
      {
        watch: (call: ServerWritableStream<Buffer, Buffer>) => {
          this.#health = call;
          this.sayHealth(1);
          this.#events.emit("watch");
        },
      },
    );
  }

  /** Waits for the next who asks for its health. */
  async nextWatch(): Promise<void> {
    await once(this.#events, "watch");
  }

  /** Has no more to say of its health. */
  endHealth(): void {
    this.#health?.end();
  }

  /** Tells the one who asked for its health: 1 for well, 2 for not. */
  sayHealth(status: 1 | 2): void {
    this.#health?.write(Buffer.from([0x08, status]));
  }

  /** Answers each delete with `answer`, and a stream too when that is an error; else with `events`. */
  static async start(answer: Partial<StatusObject> = {}): Promise<ScriptedService> {
    const service = new ScriptedService(answer);
    const port = await new Promise<number>((resolve, reject) => {
      service.#server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      );
    });
    service.address = `127.0.0.1:${port}`;
    return service;
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

/** The trailers that carry the details of an error. */
export function trailersWith(...details: Any[]): Metadata {
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, create(StatusSchema, { details }))));
  return metadata;
}

function definitionOf(name: string, responseStream: boolean) {
  const asTheyAre = (bytes: Buffer) => bytes;
  return {
    path: `/${TicketingUserService.typeName}/${name}`,
    requestStream: false,
    responseStream,
    requestSerialize: asTheyAre,
    requestDeserialize: asTheyAre,
    responseSerialize: asTheyAre,
    responseDeserialize: asTheyAre,
  };
}
