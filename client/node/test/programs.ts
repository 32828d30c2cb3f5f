/** The programs that the tests run: the real service, the sandbox, and an upstream that plays a script. */
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";

export const TOKEN = "conformance-token";

/** A program under test, whose output is read all along. */
export class Program {
  static readonly #running = new Set<Program>();
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(process: ChildProcess) {
    this.#process = process;
    this.#ended = once(process, "close");
    Program.#running.add(this);
  }

  /** Of this process; one that is left would keep it. */
  static async stopAll(): Promise<void> {
    for (const program of Program.#running) await program.stop();
  }

  /** Starts the program whose path is in an environment variable; comes back with the first line that has a text. */
  static async start(
    variable: string,
    flags: string[],
    environment: Record<string, string>,
    text: string,
  ): Promise<[Program, string]> {
    const path = process.env[variable];
    if (!path) throw new Error(`${variable} must be the path of the built program`);
    const started = spawn(path, flags, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
    const program = new Program(started);
    const line = await new Promise<string>((resolve, reject) => {
      const seen: string[] = [];
      for (const output of [started.stdout, started.stderr]) {
        createInterface({ input: output }).on("line", (line) => {
          if (line.includes(text)) resolve(line);
          else seen.push(line);
        });
      }
      program.#ended.then(
        () => reject(new Error(`${path} ended without a line with "${text}":\n${seen.join("\n")}`)),
        reject,
      );
    });
    return [program, line];
  }

  terminate(): void {
    this.#process.kill("SIGTERM");
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
    Program.#running.delete(this);
  }
}

export interface Service {
  program: Program;
  address: string;
}

/** ticketing-user-service in front of a URL. */
export async function startService(trutoUrl: string, settings: Record<string, string> = {}): Promise<Service> {
  const environment = {
    TICKETING_LISTEN: "127.0.0.1:0",
    TICKETING_ADMIN_LISTEN: "127.0.0.1:0",
    TICKETING_DRAIN_DELAY: "0s",
    TRUTO_BASE_URL: trutoUrl,
    TRUTO_API_TOKEN: TOKEN,
    ...settings,
  };
  const [program, line] = await Program.start("TICKETING_SERVICE", [], environment, '"listening"');
  return { program, address: JSON.parse(line).address };
}

/** The sandbox, without limits of its own. */
export class Sandbox {
  static readonly TOKEN = "sandbox-token";

  private constructor(
    readonly program: Program,
    readonly url: string,
  ) {}

  static async start(): Promise<Sandbox> {
    const flags = ["--listen", "127.0.0.1:0", "--account-limit", "0", "--token-limit", "0"];
    const [program, line] = await Program.start("TICKETING_SANDBOX", flags, {}, "listening on ");
    return new Sandbox(program, line.slice(line.indexOf("http://")).trim());
  }

  async reset(): Promise<void> {
    const answer = await fetch(`${this.url}/sandbox/reset`, { method: "POST" });
    if (!answer.ok) throw new Error(`the sandbox answered its reset with ${answer.status}`);
  }
}

/** A request that came in. */
export interface Received {
  method: string | undefined;
  target: string | undefined;
  headers: IncomingHttpHeaders;
  /** In milliseconds. */
  time: number;
}

/** What an upstream answers a request with. */
export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  base64?: string;
  missing_bytes?: number;
  close?: boolean;
  hang?: boolean;
}

/** Answers each request with the next answer of its script, and closes the connection. */
export class Upstream {
  readonly url: string;
  received: Received[] = [];
  readonly #server: Server;
  readonly #events = new EventEmitter();
  #script: Answer[] = [];

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("request", (request: IncomingMessage) => this.#answer(request));
  }

  static async start(): Promise<Upstream> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Upstream(server);
  }

  /** Forgets what was, and answers with `script` from now on. */
  play(...script: Answer[]): void {
    this.received = [];
    this.#script = script;
  }

  /** Waits for the next request. */
  async nextRequest(): Promise<void> {
    await once(this.#events, "request");
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer({ method, url, headers, socket }: IncomingMessage): void {
    this.received.push({ method, target: url, headers, time: performance.now() });
    // No case expects a teapot: a request too many is seen.
    const step = this.#script.shift() ?? { status: 418 };
    if (step.close) socket.destroy();
    else if (!step.hang) socket.end(write(step));
    this.#events.emit("request");
  }
}

/** By hand, for lengths that are wrong and no header that was not asked for. */
function write(step: Answer): Buffer {
  const body = step.base64 === undefined ? Buffer.from(step.body ?? "") : Buffer.from(step.base64, "base64");
  const headers = Object.entries(step.headers ?? {}).map(([name, value]) => `${name}: ${value}`);
  if (step.status !== 204) headers.push(`content-length: ${body.length + (step.missing_bytes ?? 0)}`);
  const head = [`HTTP/1.1 ${step.status} `, ...headers, "connection: close", "", ""];
  return Buffer.concat([Buffer.from(head.join("\r\n")), body]);
}
