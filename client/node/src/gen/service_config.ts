// Made by client/generate of client/service_config.json.
export const serviceConfig = {
  "loadBalancingConfig": [{ "round_robin": {} }],
  "healthCheckConfig": { "serviceName": "ticketing.v1.TicketingUserService" },
  "methodConfig": [
    {
      "name": [{ "service": "ticketing.v1.TicketingUserService", "method": "DeleteTicketingUser" }],
      "timeout": "60s",
      "retryPolicy": {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
      }
    },
    {
      "name": [{ "service": "ticketing.v1.TicketingUserService", "method": "DeleteTicketingUserStream" }],
      "timeout": "3600s",
      "retryPolicy": {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
      }
    }
  ],
  "retryThrottling": { "maxTokens": 10, "tokenRatio": 0.1 }
};
