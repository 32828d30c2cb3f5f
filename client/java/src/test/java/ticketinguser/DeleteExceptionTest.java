package ticketinguser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import ticketing.v1.ErrorReason;

/** What a service that is newer, or broken, may answer. */
final class DeleteExceptionTest {
  private static DeleteException exception(byte[] details) {
    Metadata trailers = new Metadata();
    trailers.put(Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER), details);
    return new DeleteException(Status.ABORTED.withDescription("text").asRuntimeException(trailers), "mine");
  }

  private static byte[] details(Message... messages) {
    com.google.rpc.Status.Builder status = com.google.rpc.Status.newBuilder();
    for (Message message : messages) {
      status.addDetails(Any.pack(message));
    }
    return status.build().toByteArray();
  }

  private static ErrorInfo.Builder info() {
    return ErrorInfo.newBuilder().setReason("NEW").setDomain("ticketing.v1.TicketingUserService");
  }

  @Test
  void aReasonThatIsNewKeepsItsName() {
    ErrorInfo info =
        info()
            .putMetadata("delivery", "NEW")
            .putMetadata("origin", "NEW")
            .putMetadata("attempts", "many")
            .putMetadata("request_id", "r")
            .build();
    RetryInfo retry =
        RetryInfo.newBuilder().setRetryDelay(Duration.newBuilder().setSeconds(1).setNanos(500_000_000)).build();
    DeleteException error = exception(details(info, retry));
    assertEquals(ErrorReason.ERROR_REASON_UNSPECIFIED, error.reason());
    assertEquals("NEW", error.reasonName());
    assertEquals("NEW: text", error.getMessage());
    assertEquals(Delivery.UNKNOWN, error.delivery());
    assertEquals(Origin.UNSPECIFIED, error.origin());
    assertEquals(OptionalInt.empty(), error.attempts());
    assertEquals("r", error.requestId());
    assertEquals(Optional.of(java.time.Duration.ofMillis(1500)), error.retryAfter());
    assertEquals("NEW", error.metadata().get("delivery"));
  }

  @Test
  void anEmptyRequestIdIsNone() {
    assertEquals("mine", exception(details(info().putMetadata("request_id", "").build())).requestId());
  }

  @Test
  void detailsThatAreSomebodyElsesAreNotRead() {
    assertNothingIsKnown(details(info().setDomain("elsewhere").putMetadata("delivery", "NOT_SENT").build()));
  }

  @Test
  void detailsThatAreBrokenAreNotRead() {
    assertNothingIsKnown(new byte[] {-1, -1});
    Any broken = Any.pack(info().build()).toBuilder().setValue(ByteString.copyFrom(new byte[] {-1, -1})).build();
    assertNothingIsKnown(com.google.rpc.Status.newBuilder().addDetails(broken).build().toByteArray());
  }

  private static void assertNothingIsKnown(byte[] details) {
    DeleteException error = exception(details);
    assertEquals("", error.reasonName());
    assertEquals("ABORTED: text", error.getMessage());
    assertEquals(Delivery.UNKNOWN, error.delivery());
    assertEquals("mine", error.requestId());
    assertTrue(error.advice().contains("request_id"));
  }
}
