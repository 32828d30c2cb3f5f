/** The messages of the contract, and the schemas that make, read and write them. */
export * from "./gen/ticketing/v1/error_reason_pb.js";
export * from "./gen/ticketing/v1/ticketing_user_pb.js";
export * from "./gen/ticketing/v1/ticketing_user_service_pb.js";
