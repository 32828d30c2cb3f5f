/** google.rpc's messages, for the details of an error that DeleteError has no field for. */
export * from "./gen/google/rpc/error_details_pb.js";
export * from "./gen/google/rpc/status_pb.js";
