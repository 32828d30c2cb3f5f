/**
 * Calls the ticketing-user service, which deletes users from ticketing systems.
 *
 * <p>The messages are in the package {@code ticketing.v1}.
 */
package ticketinguser;
