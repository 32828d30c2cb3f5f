#!/usr/bin/env node
/**
 * Deletes one user through a ticketing-user service, and says what became of it.
 *
 *     node examples/delete-user.js --plaintext localhost:50051 23423524 62f44730-dd91-461e-bd6a-aedd9e0ad79d
 */
import { parseArgs } from "node:util";
import { connect, DeleteError, DeleteOutcome } from "ticketing-user";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { plaintext: { type: "boolean" }, "ca-file": { type: "string" } },
});
const [target, id, integratedAccountId] = positionals;
if (!target || !id || !integratedAccountId) {
  console.error("usage: delete-user.js [--plaintext] [--ca-file FILE] HOST:PORT USER ACCOUNT");
  process.exit(2);
}

const client = connect(target, { plaintext: values.plaintext, caFile: values["ca-file"] });
try {
  const answer = await client.delete({ id, integratedAccountId, trutoIgnoreRemoteData: true });
  const user = answer.result.case === "user" ? answer.result.value : undefined;
  console.log([DeleteOutcome[answer.outcome], user?.id, user?.name].filter(Boolean).join(" "));
} catch (error) {
  if (!(error instanceof DeleteError)) throw error;
  console.error(`${error}\n${error.advice}`);
  if (error.retryAfterMs !== undefined) console.error(`Come back in ${error.retryAfterMs / 1000} s.`);
  if (error.delivery === "UNKNOWN") console.error(`The user may have been deleted: requestId ${error.requestId}`);
  process.exitCode = 1;
} finally {
  client.close();
}
