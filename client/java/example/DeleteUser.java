import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import ticketing.v1.DeleteTicketingUserRequest;
import ticketing.v1.DeleteTicketingUserResponse;
import ticketinguser.ConnectOptions;
import ticketinguser.DeleteException;
import ticketinguser.Delivery;
import ticketinguser.TicketingUserClient;

/**
 * Deletes one user through a ticketing-user service, and says what became of it.
 *
 * <p>{@code mvn -q compile exec:exec -Dexample="--plaintext localhost:50051 23423524 62f44730-…"}
 */
public final class DeleteUser {
  private static final String USAGE = "usage: DeleteUser [--plaintext] [--ca-file FILE] HOST:PORT USER ACCOUNT";

  private DeleteUser() {}

  public static void main(String[] arguments) {
    Deque<String> rest = new ArrayDeque<>(List.of(arguments));
    ConnectOptions.Builder options = ConnectOptions.builder();
    while (!rest.isEmpty() && rest.peek().startsWith("--")) {
      String option = rest.remove();
      if (option.equals("--plaintext")) {
        options.plaintext();
      } else if (option.equals("--ca-file") && !rest.isEmpty()) {
        options.caFile(Path.of(rest.remove()));
      } else {
        System.err.println(USAGE);
        System.exit(2);
      }
    }
    if (rest.size() != 3) {
      System.err.println(USAGE);
      System.exit(2);
    }
    System.exit(delete(rest.remove(), options.build(), rest.remove(), rest.remove()));
  }

  private static int delete(String target, ConnectOptions options, String id, String account) {
    DeleteTicketingUserRequest request =
        DeleteTicketingUserRequest.newBuilder()
            .setId(id)
            .setIntegratedAccountId(account)
            .setTrutoIgnoreRemoteData(true)
            .build();
    try (TicketingUserClient client = TicketingUserClient.connect(target, options)) {
      DeleteTicketingUserResponse answer = client.delete(request);
      System.out.println(
          "%s %s %s".formatted(answer.getOutcome(), answer.getUser().getId(), answer.getUser().getName()).strip());
      return 0;
    } catch (DeleteException error) {
      System.err.println(error.getMessage());
      System.err.println(error.advice());
      error.retryAfter().ifPresent(delay -> System.err.println("Come back in " + delay.toMillis() / 1000.0 + " s."));
      if (error.delivery() == Delivery.UNKNOWN) {
        System.err.println("The user may have been deleted: request_id " + error.requestId());
      }
      return 1;
    }
  }
}
