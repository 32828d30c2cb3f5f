package ticketinguser;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.Help;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import ticketing.v1.ErrorReason;

/**
 * A delete that the service did not confirm.
 *
 * <p>Without an answer of the service (it could not be reached, the deadline passed on the caller's side, the request
 * was beyond gRPC's limits) there is no reason, and {@link #delivery} is UNKNOWN, since only the service can know
 * better. It is NOT_SENT for a call that ended before it began: without a token, given up, or since the client is
 * closed.
 *
 * <p>It is unchecked, as gRPC's own exceptions are, so that lambdas and streams can pass it on. Its cause is gRPC's
 * exception, one of the token's source, or none.
 */
// gRPC's exceptions can't be serialized either.
@SuppressWarnings("serial")
public final class DeleteException extends RuntimeException {
  private static final String DOMAIN = "ticketing.v1.TicketingUserService";
  private static final String NO_ANSWER =
      "The service gave no answer of its own: look whether the user is still there, or repeat the call with the same "
          + "request_id and allow_missing.";
  private static final Metadata.Key<byte[]> DETAILS =
      Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);

  private final Status.Code code;
  private final String description;
  private final ErrorReason reason;
  private final String reasonName;
  private final String advice;
  private final String adviceUrl;
  private final Duration retryAfter;
  private final Delivery delivery;
  private final Integer attempts;
  private final String requestId;
  private final Origin origin;
  private final Integer httpStatus;
  private final List<FieldViolation> fieldViolations;
  private final Map<String, String> metadata;

  DeleteException(StatusRuntimeException cause, String requestId) {
    this(cause.getStatus(), details(cause.getTrailers()), requestId, cause, Delivery.UNKNOWN, null);
  }

  /** A call that ended before gRPC had it. */
  static DeleteException notSent(Status status, String advice, String requestId, Throwable cause) {
    Help help = Help.newBuilder().addLinks(Help.Link.newBuilder().setDescription(advice)).build();
    return new DeleteException(
        status,
        com.google.rpc.Status.newBuilder().addDetails(Any.pack(help)).build(),
        requestId,
        cause,
        Delivery.NOT_SENT,
        0);
  }

  /** The last two are for details that don't say. */
  private DeleteException(
      Status status,
      com.google.rpc.Status details,
      String requestId,
      Throwable cause,
      Delivery delivery,
      Integer attempts) {
    super(cause);
    ErrorInfo info =
        find(details, ErrorInfo.class)
            .filter(found -> found.getDomain().equals(DOMAIN))
            .orElse(ErrorInfo.getDefaultInstance());
    Optional<Help.Link> help =
        find(details, Help.class).filter(found -> found.getLinksCount() > 0).map(found -> found.getLinks(0));
    code = status.getCode();
    description = describe(status);
    reasonName = info.getReason();
    reason = reasonOf(reasonName);
    advice = help.map(Help.Link::getDescription).orElse(NO_ANSWER);
    adviceUrl = help.map(Help.Link::getUrl).orElse("");
    retryAfter =
        find(details, RetryInfo.class)
            .map(RetryInfo::getRetryDelay)
            .map(delay -> Duration.ofSeconds(delay.getSeconds(), delay.getNanos()))
            .orElse(null);
    metadata = Map.copyOf(info.getMetadataMap());
    this.delivery = member(Delivery.values(), metadata.get("delivery"), delivery);
    this.attempts = metadata.containsKey("attempts") ? number(metadata.get("attempts")) : attempts;
    String sent = metadata.getOrDefault("request_id", "");
    this.requestId = sent.isEmpty() ? requestId : sent;
    origin = member(Origin.values(), metadata.get("origin"), Origin.UNSPECIFIED);
    httpStatus = number(metadata.get("http_status"));
    fieldViolations =
        find(details, BadRequest.class).map(BadRequest::getFieldViolationsList).orElse(List.of()).stream()
            .map(violation -> new FieldViolation(violation.getField(), violation.getDescription()))
            .toList();
  }

  /** The reason and the description: {@code USER_NOT_FOUND: …}; without a reason the code stands in its place. */
  @Override
  public String getMessage() {
    return (reasonName.isEmpty() ? code.name() : reasonName) + ": " + description;
  }

  /** gRPC's code. */
  public Status.Code code() {
    return code;
  }

  /** What happened, in the words of the service, or of gRPC. */
  public String description() {
    return description;
  }

  /** ERROR_REASON_UNSPECIFIED for none, and for one that is newer than this package; then see {@link #reasonName}. */
  public ErrorReason reason() {
    return reason;
  }

  /** As on the wire: {@code USER_NOT_FOUND}; empty for none. */
  public String reasonName() {
    return reasonName;
  }

  /** What to do, in words. */
  public String advice() {
    return advice;
  }

  /** Where more is said about it; may be empty. */
  public String adviceUrl() {
    return adviceUrl;
  }

  /** When to come back, where that helps. */
  public Optional<Duration> retryAfter() {
    return Optional.ofNullable(retryAfter);
  }

  /** How far the delete got. */
  public Delivery delivery() {
    return delivery;
  }

  /** How many HTTP requests were made; empty when that is not known. */
  public OptionalInt attempts() {
    return optional(attempts);
  }

  /** The name of the delete: repeat it under the same. */
  public String requestId() {
    return requestId;
  }

  /** Who decided. */
  public Origin origin() {
    return origin;
  }

  /** The status of the last HTTP answer; empty when there was none. */
  public OptionalInt httpStatus() {
    return optional(httpStatus);
  }

  /** What is wrong with the request, where that is known. */
  public List<FieldViolation> fieldViolations() {
    return fieldViolations;
  }

  /** All that the ErrorInfo says, such as {@code missing_scopes}. */
  public Map<String, String> metadata() {
    return metadata;
  }

  /** What the service says of an error in a call's trailers; nothing without an answer, or for one that is broken. */
  static com.google.rpc.Status details(Metadata trailers) {
    byte[] details = trailers == null ? null : trailers.get(DETAILS);
    try {
      return details == null ? com.google.rpc.Status.getDefaultInstance() : com.google.rpc.Status.parseFrom(details);
    } catch (InvalidProtocolBufferException error) {
      return com.google.rpc.Status.getDefaultInstance();
    }
  }

  private static <Detail extends Message> Optional<Detail> find(com.google.rpc.Status details, Class<Detail> kind) {
    for (Any detail : details.getDetailsList()) {
      if (detail.is(kind)) {
        try {
          return Optional.of(detail.unpack(kind));
        } catch (InvalidProtocolBufferException error) {
          return Optional.empty();
        }
      }
    }
    return Optional.empty();
  }

  private static String describe(Status status) {
    String text = Objects.requireNonNullElse(status.getDescription(), "");
    Throwable cause = status.getCause();
    if (cause == null) {
      return text;
    }
    // gRPC's own words for a connection that failed are "io exception"; why it failed is at the bottom.
    while (cause.getCause() != null) {
      cause = cause.getCause();
    }
    return text + ": " + Objects.requireNonNullElse(cause.getMessage(), cause.toString());
  }

  private static ErrorReason reasonOf(String name) {
    var value = ErrorReason.getDescriptor().findValueByName("ERROR_REASON_" + name);
    return value == null ? ErrorReason.ERROR_REASON_UNSPECIFIED : ErrorReason.valueOf(value);
  }

  private static <Member extends Enum<Member>> Member member(Member[] members, String name, Member otherwise) {
    return Arrays.stream(members).filter(member -> member.name().equals(name)).findFirst().orElse(otherwise);
  }

  private static Integer number(String text) {
    return text != null && text.matches("[0-9]{1,9}") ? Integer.valueOf(text) : null;
  }

  private static OptionalInt optional(Integer number) {
    return number == null ? OptionalInt.empty() : OptionalInt.of(number);
  }
}
