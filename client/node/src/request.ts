import { randomUUID } from "node:crypto";
import {
  clone,
  create,
  type DescField,
  type DescMessage,
  isMessage,
  type MessageInitShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import {
  type DeleteTicketingUserRequest,
  DeleteTicketingUserRequestSchema,
} from "./gen/ticketing/v1/ticketing_user_service_pb.js";

/** A delete: the fields of the request as an object, or the message. */
export type DeleteRequest = MessageInitShape<typeof DeleteTicketingUserRequestSchema>;

/**
 * A message of its own with a `requestId`, so that all that gRPC sends of one call, repeats included, is one delete to
 * Truto.
 *
 * Programs without types get the compiler's errors here: a `validate_only` that nobody reads would be a delete.
 */
export function makeRequest(request: DeleteRequest): DeleteTicketingUserRequest {
  const schema = DeleteTicketingUserRequestSchema;
  checkMessage(schema, request, "");
  const message = isMessage(request, schema) ? clone(schema, request) : create(schema, request);
  message.requestId ||= randomUUID();
  return message;
}

function checkMessage(schema: DescMessage, value: unknown, path: string): void {
  if (!isObject(value)) throw new TypeError(`${path || "the request"}: ${kindOf(value)} is no object`);
  const prefix = path && `${path}.`;
  for (const [name, part] of Object.entries(value)) {
    if (part === undefined || name === "$typeName" || name === "$unknown") continue;
    const field = schema.fields.find(({ localName }) => localName === name);
    if (!field) throw new TypeError(`${prefix}${name}: there is no such field`);
    checkField(field, part, prefix + name);
  }
}

function checkField(field: DescField, value: unknown, path: string): void {
  if (field.fieldKind !== "list") {
    checkValue(field, value, path);
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) checkValue(field, item, `${path}[${index}]`);
  } else {
    throw new TypeError(`${path}: ${kindOf(value)} is no list`);
  }
}

function checkValue({ message, scalar }: DescField, value: unknown, path: string): void {
  if (message?.typeName === StructSchema.typeName) {
    if (!isObject(value)) throw new TypeError(`${path}: ${kindOf(value)} is no object`);
    checkJson(value, path, []);
  } else if (message) {
    checkMessage(message, value, path);
  } else if (scalar === ScalarType.STRING) {
    if (typeof value !== "string") throw new TypeError(`${path}: ${kindOf(value)} is no string`);
    checkText(value, path);
  } else if (typeof value !== (scalar === ScalarType.BOOL ? "boolean" : "number")) {
    throw new TypeError(`${path}: ${kindOf(value)} is no ${scalar === ScalarType.BOOL ? "boolean" : "number"}`);
  } else if (typeof value === "number" && value !== (value | 0)) {
    throw new TypeError(`${path}: ${value} is no integer of 32 bits`);
  }
}

/** `within` are the lists and objects that have the value. */
function checkJson(value: unknown, path: string, within: unknown[]): void {
  if (within.includes(value)) throw new TypeError(`${path}: has itself within`);
  if (typeof value === "string") {
    checkText(value, path);
  } else if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError(`${path}: ${value} is no JSON`);
    // Where doubles are further apart than integers, it may not be the number that was meant.
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      throw new RangeError(`${path}: ${value} is beyond 2^53; give it as a string`);
    }
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) checkJson(item, `${path}[${index}]`, [...within, value]);
  } else if (isObject(value) && !isMessage(value)) {
    for (const [key, item] of Object.entries(value)) {
      checkText(key, `${path}.${key}`);
      checkJson(item, `${path}.${key}`, [...within, value]);
    }
  } else if (value !== null && typeof value !== "boolean") {
    throw new TypeError(`${path}: ${kindOf(value)} is no JSON`);
  }
}

/** Refuses options that nobody reads: a deadline that is misspelt would be another one. */
export function checkOptions(options: object, known: readonly string[]): void {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && !known.includes(name)) throw new TypeError(`${name}: there is no such option`);
  }
}

/** On the way half of a surrogate pair would become another character, and an id that of another user. */
function checkText(text: string, path: string): void {
  if (/\p{Surrogate}/u.test(text)) throw new TypeError(`${path}: has half of a surrogate pair, which is no text`);
}

/** Whether it is one of `{}`, and not one of a class. */
function isObject(value: unknown): value is object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** A value's kind, as complaints name it. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return `${value}`;
  if (typeof value !== "object") return `a ${typeof value}`;
  if (isMessage(value)) return `a message, ${value.$typeName},`;
  return Array.isArray(value) ? "a list" : `a ${value.constructor?.name ?? "object"}`;
}
