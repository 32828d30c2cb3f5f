package ticketinguser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.ByteString;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import io.grpc.ManagedChannelBuilder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import ticketing.v1.DeleteTicketingUserRequest;
import ticketing.v1.DeleteTicketingUserResponse;
import ticketing.v1.ErrorReason;
import ticketing.v1.StreamHeader;

/** The cases that all callers share: tests/conformance/README.md. */
final class ConformanceTest {
  private static final JsonObject TABLE = read();
  private static final Set<String> KEYS =
      Set.of(
          "name", "service", "token", "stream", "before", "request", "upstream", "wire", "response", "header", "chunks",
          "error");
  private static final Set<String> OF_ALL_ERRORS =
      Set.of("request_id", "attempts", "delivery", "origin", "http_status");

  @AutoClose private static final Upstream upstream = new Upstream();

  private static final Map<String, Service> services = new HashMap<>();

  @AfterAll
  static void stop() {
    services.values().forEach(Service::close);
  }

  private static JsonObject read() {
    try {
      return JsonParser.parseString(Files.readString(Path.of("../../tests/conformance/cases.json"))).getAsJsonObject();
    } catch (Exception error) {
      throw new IllegalStateException(error);
    }
  }

  static Stream<Named<JsonObject>> cases() {
    return list(TABLE.get("cases"))
        .map(JsonElement::getAsJsonObject)
        .map(entry -> Named.of(entry.get("name").getAsString(), entry));
  }

  /** What is seen of a call: an error, or a response, and of a stream its header and body. */
  private record Seen(
      String requestId, JsonObject error, DeleteTicketingUserResponse response, StreamHeader header, ByteString body) {}

  @ParameterizedTest
  @MethodSource("cases")
  void test(JsonObject entry) throws Exception {
    // A key that is unknown here would be a promise that is not kept.
    assertTrue(KEYS.containsAll(entry.keySet()), () -> "unknown keys in " + entry.keySet());
    Service service =
        services.computeIfAbsent(
            entry.has("service") ? entry.get("service").getAsString() : "default",
            name -> new Service(upstream.url, strings(TABLE.getAsJsonObject("services").getAsJsonObject(name))));
    upstream.play(list(entry.get("upstream")).map(step -> answer(step.getAsJsonObject())).toList());
    String token = entry.has("token") ? entry.get("token").getAsString() : null;
    // What gRPC would send again is another test's subject.
    ConnectOptions.Builder options = ConnectOptions.builder().plaintext().channel(ManagedChannelBuilder::disableRetry);
    if (token != null) {
      options.token(() -> token);
    }
    DeleteTicketingUserRequest request = request(entry.get("request"));
    Seen seen;
    try (TicketingUserClient client = TicketingUserClient.connect(service.address, options.build())) {
      for (JsonElement before : list(entry.get("before")).toList()) {
        client.delete(request(before));
      }
      seen = call(client, request, entry.has("stream"));
    }
    Map<String, String> headers = strings(TABLE.getAsJsonObject("headers"));
    headers.put("authorization", "Bearer " + (token == null ? Service.TOKEN : token));
    headers.put("idempotency-key", seen.requestId);
    List<Upstream.Received> received = upstream.received();
    assertEquals(
        list(entry.get("wire")).map(JsonElement::getAsString).toList(),
        received.stream().map(Upstream.Received::target).toList());
    for (Upstream.Received one : received) {
      assertEquals("DELETE", one.method());
      headers.forEach((name, value) -> assertEquals(value, one.headers().get(name), name));
      if (!request.getRequestId().isEmpty()) {
        assertEquals(request.getRequestId(), seen.requestId);
      }
    }
    if (entry.has("error")) {
      assertEquals(entry.get("error"), seen.error);
      return;
    }
    assertEquals(
        strip(parse(entry.get("response"), DeleteTicketingUserResponse.newBuilder())),
        seen.response,
        () -> "got " + seen.error);
    if (entry.has("stream")) {
      assertEquals(
          entry.has("header") ? parse(entry.get("header"), StreamHeader.newBuilder()).build() : null, seen.header);
      byte[] body = Base64.getDecoder().decode(entry.has("chunks") ? entry.get("chunks").getAsString() : "");
      assertEquals(ByteString.copyFrom(body), seen.body);
    }
  }

  private static Seen call(TicketingUserClient client, DeleteTicketingUserRequest request, boolean asStream)
      throws Exception {
    try {
      if (!asStream) {
        DeleteTicketingUserResponse response = client.delete(request);
        return new Seen(response.getReport().getRequestId(), null, strip(response.toBuilder()), null, null);
      }
      try (DeleteStream stream = client.deleteStream(request)) {
        ByteString body = ByteString.copyFrom(stream.readAllBytes());
        DeleteTicketingUserResponse summary = stream.summary();
        return new Seen(
            summary.getReport().getRequestId(), null, strip(summary.toBuilder()), stream.header().orElse(null), body);
      }
    } catch (DeleteException error) {
      return new Seen(error.requestId(), plain(error), null, null, null);
    }
  }

  /** Without what differs from call to call. */
  private static DeleteTicketingUserResponse strip(DeleteTicketingUserResponse.Builder response) {
    response.getReportBuilder().clearRequestId().clearQueued().clearUpstream().clearTotal();
    if (response.hasPlannedRequest()) {
      String url = response.getPlannedRequest().getUrl();
      response.getPlannedRequestBuilder().removeHeaders("user-agent").setUrl(url.substring(url.indexOf("/unified")));
    }
    return response.build();
  }

  /** As in the table, where what is absent is left out. */
  private static JsonObject plain(DeleteException error) {
    assertEquals("ERROR_REASON_" + error.reasonName(), error.reason().name());
    JsonObject result = new JsonObject();
    result.addProperty("code", error.code().name());
    result.addProperty("message", error.description());
    result.addProperty("reason", error.reasonName());
    result.addProperty("advice", error.advice());
    error.retryAfter().ifPresent(delay -> result.addProperty("retry_after_ms", delay.toMillis()));
    result.addProperty("delivery", error.delivery().name());
    result.addProperty("origin", error.origin().name());
    error.attempts().ifPresent(attempts -> result.addProperty("attempts", attempts));
    error.httpStatus().ifPresent(status -> result.addProperty("http_status", status));
    JsonArray violations = new JsonArray();
    for (FieldViolation violation : error.fieldViolations()) {
      JsonObject one = new JsonObject();
      one.addProperty("field", violation.field());
      one.addProperty("description", violation.description());
      violations.add(one);
    }
    if (!violations.isEmpty()) {
      result.add("field_violations", violations);
    }
    JsonObject metadata = new JsonObject();
    error.metadata().forEach(metadata::addProperty);
    OF_ALL_ERRORS.forEach(metadata::remove);
    if (!metadata.isEmpty()) {
      result.add("metadata", metadata);
    }
    return result;
  }

  private static Upstream.Answer answer(JsonObject step) {
    if (step.has("close")) {
      return Upstream.Answer.CLOSE;
    }
    byte[] body =
        step.has("base64")
            ? Base64.getDecoder().decode(step.get("base64").getAsString())
            : step.has("body") ? step.get("body").getAsString().getBytes(StandardCharsets.UTF_8) : new byte[0];
    return new Upstream.Answer(
        step.get("status").getAsInt(),
        step.has("headers") ? strings(step.getAsJsonObject("headers")) : Map.of(),
        body,
        step.has("missing_bytes") ? step.get("missing_bytes").getAsInt() : 0);
  }

  private static DeleteTicketingUserRequest request(JsonElement json) throws Exception {
    return parse(json, DeleteTicketingUserRequest.newBuilder()).build();
  }

  private static <Builder extends Message.Builder> Builder parse(JsonElement json, Builder message) throws Exception {
    JsonFormat.parser().merge(json.toString(), message);
    return message;
  }

  private static Stream<JsonElement> list(JsonElement array) {
    return array == null ? Stream.of() : StreamSupport.stream(array.getAsJsonArray().spliterator(), false);
  }

  private static Map<String, String> strings(JsonObject object) {
    Map<String, String> result = new HashMap<>();
    object.entrySet().forEach(entry -> result.put(entry.getKey(), entry.getValue().getAsString()));
    return result;
  }

  /** A new reason needs a case, or a word where else it is provoked. */
  @Test
  void everyReasonIsInTheTable() {
    Set<String> seen =
        list(TABLE.get("cases"))
            .map(entry -> entry.getAsJsonObject().getAsJsonObject("error"))
            .filter(error -> error != null)
            .map(error -> error.get("reason").getAsString())
            .collect(Collectors.toCollection(TreeSet::new));
    Set<String> elsewhere = TABLE.getAsJsonObject("reasons_elsewhere").keySet();
    List<String> both = new ArrayList<>(seen);
    both.retainAll(elsewhere);
    assertEquals(List.of(), both);
    seen.addAll(elsewhere);
    Set<String> all =
        Arrays.stream(ErrorReason.values())
            .filter(reason -> reason != ErrorReason.UNRECOGNIZED && reason != ErrorReason.ERROR_REASON_UNSPECIFIED)
            .map(reason -> reason.name().substring("ERROR_REASON_".length()))
            .collect(Collectors.toCollection(HashSet::new));
    assertEquals(all, seen);
    assertFalse(all.isEmpty());
  }
}
