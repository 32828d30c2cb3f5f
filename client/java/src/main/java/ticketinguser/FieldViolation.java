package ticketinguser;

/** What is wrong with a field of the request. */
public record FieldViolation(String field, String description) {}
