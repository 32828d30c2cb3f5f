/** Certificates for the tests, in files of a temporary folder. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class Authority {
  readonly #folder = mkdtempSync(join(tmpdir(), "ticketing-user-"));
  readonly caFile = this.#path("ca.pem");

  constructor() {
    this.#sign("ca", ["-subj", "/CN=authority"]);
  }

  /** The files of a certificate for a DNS name, and of its key. */
  issue(name: string): { certificateFile: string; keyFile: string } {
    const authority = ["-CA", this.caFile, "-CAkey", this.#path("ca.key")];
    const extensions = ["basicConstraints=CA:FALSE", `subjectAltName=DNS:${name}`].flatMap((text) => ["-addext", text]);
    this.#sign(name, ["-subj", `/CN=${name}`, ...authority, ...extensions]);
    return { certificateFile: this.#path(`${name}.pem`), keyFile: this.#path(`${name}.key`) };
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #sign(name: string, more: string[]): void {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"];
    const files = ["-keyout", this.#path(`${name}.key`), "-out", this.#path(`${name}.pem`)];
    execFileSync("openssl", ["req", "-x509", "-days", "1", ...key, ...files, ...more], { stdio: "pipe" });
  }
}
