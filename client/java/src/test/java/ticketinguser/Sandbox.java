package ticketinguser;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import java.util.Map;

/** truto-sandbox, without limits of its own. */
final class Sandbox extends Program {
  static final String TOKEN = "sandbox-token";

  final String url;

  Sandbox() {
    super(
        "TICKETING_SANDBOX",
        List.of("--listen", "127.0.0.1:0", "--account-limit", "0", "--token-limit", "0"),
        Map.of());
    String line = waitForLine("listening on ");
    url = line.substring(line.indexOf("http://")).strip();
  }

  /** All users are there again. */
  void reset() throws IOException, InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(url + "/sandbox/reset")).POST(HttpRequest.BodyPublishers.noBody()).build();
    HttpClient.newHttpClient().send(request, BodyHandlers.discarding());
  }
}
