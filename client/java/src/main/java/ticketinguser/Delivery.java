package ticketinguser;

/** How far a delete got, the worst of all its attempts. */
public enum Delivery {
  /** Nothing can have been executed. */
  NOT_SENT,
  /** It was sent, and provably not executed. */
  REJECTED,
  /** The user may have been deleted. */
  UNKNOWN
}
