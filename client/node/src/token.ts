import { status } from "@grpc/grpc-js";
import { DeleteError, givenUp, notSent } from "./errors.js";
import { kindOf } from "./request.js";
import { onAbort } from "./signals.js";

/** A token, or what is asked anew for each call. */
export type TokenSource = string | (() => string | Promise<string>);

/** The token, if it comes within the time, and the call is not given up meanwhile. */
export async function askForToken(
  source: TokenSource,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  requestId: string,
): Promise<string> {
  const mend = "Nothing was sent. Have the token's source mended.";
  let stopWaiting = () => {};
  const tooLate = new Promise<never>((_, reject) => {
    const message = "the time was up before there was a token";
    const timer = setTimeout(() => reject(notSent(status.DEADLINE_EXCEEDED, message, requestId, mend)), timeoutMs);
    const stopListening = onAbort(signal, () => signal && reject(givenUp(signal, requestId)));
    stopWaiting = () => {
      clearTimeout(timer);
      stopListening();
    };
  });
  let token: string;
  try {
    token = typeof source === "function" ? await Promise.race([source(), tooLate]) : source;
  } catch (error) {
    if (error instanceof DeleteError) throw error;
    const message = `no token for the call: ${error instanceof Error ? error.message : error}`;
    throw notSent(status.UNAUTHENTICATED, message, requestId, mend, error);
  } finally {
    stopWaiting();
  }
  // Programs without types may have none.
  if (typeof token !== "string") {
    throw notSent(status.UNAUTHENTICATED, `no token for the call: ${kindOf(token)} is no string`, requestId, mend);
  }
  // gRPC's own complaint would show it.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    const message = "no token for the call: what there is has characters that a token can't have";
    throw notSent(status.UNAUTHENTICATED, message, requestId, mend);
  }
  return token;
}
