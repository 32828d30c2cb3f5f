package ticketinguser;

import com.google.protobuf.ByteString;
import io.grpc.ClientCall;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import java.io.InputStream;
import java.util.Iterator;
import java.util.Objects;
import java.util.Optional;
import ticketing.v1.DeleteTicketingUserResponse;
import ticketing.v1.DeleteTicketingUserStreamRequest;
import ticketing.v1.DeleteTicketingUserStreamResponse;
import ticketing.v1.StreamHeader;

/**
 * The answer of a delete as it arrives: its body, and after its end a {@link #summary}.
 *
 * <p>Once there is a {@link #header}, the delete is done, even if reading ends with a {@link DeleteException}. A stream
 * is for one thread at a time; {@link #close} is for any.
 */
public final class DeleteStream extends InputStream {
  private final ClientCall<DeleteTicketingUserStreamRequest, DeleteTicketingUserStreamResponse> call;
  private final Iterator<DeleteTicketingUserStreamResponse> events;
  private final String requestId;
  private StreamHeader header;
  private ByteString rest = ByteString.EMPTY;
  private DeleteTicketingUserResponse summary;
  private boolean ended;

  DeleteStream(
      ClientCall<DeleteTicketingUserStreamRequest, DeleteTicketingUserStreamResponse> call,
      DeleteTicketingUserStreamRequest request) {
    this.call = call;
    requestId = request.getRequest().getRequestId();
    events = ClientCalls.blockingServerStreamingCall(call, request);
    // A delete that failed has no other event; its exception is thrown here.
    advance();
  }

  /** What is known of the answer before its body; empty with validate_only, and for a user that was already absent. */
  public Optional<StreamHeader> header() {
    return Optional.ofNullable(header);
  }

  /**
   * Outcome and report.
   *
   * @throws IllegalStateException before {@link #read} has met the end of the stream
   */
  public DeleteTicketingUserResponse summary() {
    if (!ended) {
      throw new IllegalStateException("the summary of a DeleteStream is there once it was read to its end");
    }
    return summary;
  }

  /**
   * Reads a byte of the body.
   *
   * @throws DeleteException if the call ends with an error, which it does after {@link #close}
   */
  @Override
  public int read() {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : Byte.toUnsignedInt(one[0]);
  }

  /**
   * Reads some of the body, at least one byte.
   *
   * @throws DeleteException if the call ends with an error, which it does after {@link #close}
   */
  @Override
  public int read(byte[] buffer, int offset, int length) {
    Objects.checkFromIndexSize(offset, length, buffer.length);
    if (length == 0) {
      return 0;
    }
    while (rest.isEmpty()) {
      if (!advance()) {
        return -1;
      }
    }
    int count = Math.min(length, rest.size());
    rest.substring(0, count).copyTo(buffer, offset);
    rest = rest.substring(count);
    return count;
  }

  @Override
  public int available() {
    return rest.size();
  }

  /** Reads no further. The delete is not undone. */
  @Override
  public void close() {
    call.cancel("closed by the caller", null);
  }

  /** Takes the next event, and says whether there was one. */
  private boolean advance() {
    try {
      if (events.hasNext()) {
        DeleteTicketingUserStreamResponse event = events.next();
        switch (event.getEventCase()) {
          case HEADER -> header = event.getHeader();
          case CHUNK -> rest = event.getChunk();
          case SUMMARY -> summary = event.getSummary();
          case EVENT_NOT_SET -> {}
        }
        return true;
      }
      if (summary == null) {
        throw Status.UNKNOWN.withDescription("the stream ended without its summary").asRuntimeException();
      }
      ended = true;
      return false;
    } catch (StatusRuntimeException error) {
      throw new DeleteException(error, requestId);
    }
  }
}
