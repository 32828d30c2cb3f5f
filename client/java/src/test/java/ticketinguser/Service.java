package ticketinguser;

import com.google.gson.JsonParser;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** ticketing-user-service in front of an URL. */
final class Service extends Program {
  static final String TOKEN = "conformance-token";

  final String address;

  Service(String trutoUrl, Map<String, String> settings) {
    super("TICKETING_SERVICE", List.of(), environment(trutoUrl, settings));
    address = JsonParser.parseString(waitForLine("\"listening\"")).getAsJsonObject().get("address").getAsString();
  }

  private static Map<String, String> environment(String trutoUrl, Map<String, String> settings) {
    Map<String, String> environment =
        new HashMap<>(
            Map.of(
                "TICKETING_LISTEN", "127.0.0.1:0",
                "TICKETING_ADMIN_LISTEN", "127.0.0.1:0",
                "TRUTO_BASE_URL", trutoUrl,
                "TRUTO_API_TOKEN", TOKEN));
    environment.putAll(settings);
    return environment;
  }
}
