package ticketinguser;

/** Who decided. */
public enum Origin {
  /** gRPC itself, on the caller's side or on the way. */
  UNSPECIFIED,
  /** The ticketing-user service. */
  SERVICE,
  /** Truto. */
  TRUTO,
  /** The ticketing system behind Truto. */
  PROVIDER
}
