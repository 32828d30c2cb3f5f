package ticketinguser;

import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import com.google.protobuf.Message;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptors;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import ticketing.v1.DeleteTicketingUserRequest;
import ticketing.v1.DeleteTicketingUserResponse;
import ticketing.v1.DeleteTicketingUserStreamRequest;
import ticketing.v1.TicketingUserServiceGrpc;

/** Deletes users. For any number of threads at a time; to be closed. */
public final class TicketingUserClient implements AutoCloseable {
  /** That of a delete that names none, as in the service, which cuts longer ones to 60 s by default. */
  public static final Duration DEADLINE = Duration.ofSeconds(30);

  /** The same for a stream, which may take up to an hour once its answer has begun. */
  public static final Duration STREAM_DEADLINE = Duration.ofMinutes(10);

  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
  private static final Pattern TOKEN = Pattern.compile("[!-~]+");
  private static final String NOTHING_SENT = "Nothing was sent.";
  private static final String MEND_TOKEN = NOTHING_SENT + " Have the token's source mended.";
  private static final Pattern LOOPBACK =
      Pattern.compile("(dns:///)?(localhost|127(\\.[0-9]{1,3}){3}|\\[::1]):[0-9]+|unix:.*");

  private final ManagedChannel connection;
  private final OpenCalls calls = new OpenCalls();
  private final Channel channel;
  private final Supplier<String> token;

  /** On a channel of the caller's own making, which it closes; {@link #connect} makes one that suits the service. */
  public TicketingUserClient(ManagedChannel channel) {
    this(channel, null);
  }

  /**
   * The same with a token, which goes over whatever the channel is.
   *
   * @param token as {@link ConnectOptions.Builder#token} takes it; null for none
   */
  public TicketingUserClient(ManagedChannel channel, Supplier<String> token) {
    connection = Objects.requireNonNull(channel);
    this.channel = ClientInterceptors.intercept(channel, new RetryOfUnavailableAlone(), calls);
    this.token = token;
  }

  /** A client of the service at {@code target} by TLS; see the other {@code connect}. */
  public static TicketingUserClient connect(String target) {
    return connect(target, ConnectOptions.builder().build());
  }

  /**
   * A client of the service at {@code target}, such as "ticketing.example:50051"; nothing is sent yet.
   *
   * <p>What is in files is read now. The channel balances over all addresses of the target (round robin) that say that
   * they are healthy. It repeats a call that ended as UNAVAILABLE, when the service says that it may, or whose
   * connection broke, at most 3 times; service_config.json has the numbers.
   *
   * @throws IllegalArgumentException if options contradict each other, a file has not what it should have, or a token
   *     would leave the machine in plaintext
   * @throws UncheckedIOException if a file can't be read
   */
  public static TicketingUserClient connect(String target, ConnectOptions options) {
    ManagedChannelBuilder<?> builder = builder(target, credentials(target, options));
    builder.defaultServiceConfig(serviceConfig());
    if (options.serverName != null) {
      builder.overrideAuthority(options.serverName);
    }
    options.channel.accept(builder);
    return new TicketingUserClient(builder.build(), options.token);
  }

  /**
   * Deletes one user, within 30 s.
   *
   * <p>Without a request_id a new one is made, so that all that gRPC sends of one call is one delete to Truto; the
   * exception has it, to repeat the delete under.
   *
   * @throws DeleteException unless the service says OK
   * @throws IllegalArgumentException if a text of the request can't be sent as it is
   */
  public DeleteTicketingUserResponse delete(DeleteTicketingUserRequest request) {
    return delete(request, DEADLINE);
  }

  /** The same with a deadline, which must be positive. */
  public DeleteTicketingUserResponse delete(DeleteTicketingUserRequest request, Duration timeout) {
    DeleteTicketingUserRequest named = named(request);
    Deadline deadline = deadline(timeout);
    Channel authorized = authorize(deadline, named.getRequestId());
    try {
      return TicketingUserServiceGrpc.newBlockingStub(authorized)
          .withDeadline(deadline)
          .deleteTicketingUser(named);
    } catch (StatusRuntimeException error) {
      throw new DeleteException(error, named.getRequestId());
    }
  }

  /** Deletes one user and hands on the answer's body as it arrives, within 10 minutes; otherwise as {@link #delete}. */
  public DeleteStream deleteStream(DeleteTicketingUserRequest request) {
    return deleteStream(request, STREAM_DEADLINE);
  }

  /** The same with a deadline, which must be positive and is that of the whole stream. */
  public DeleteStream deleteStream(DeleteTicketingUserRequest request, Duration timeout) {
    DeleteTicketingUserRequest named = named(request);
    Deadline deadline = deadline(timeout);
    return new DeleteStream(
        authorize(deadline, named.getRequestId())
            .newCall(
                TicketingUserServiceGrpc.getDeleteTicketingUserStreamMethod(),
                CallOptions.DEFAULT.withDeadline(deadline)),
        DeleteTicketingUserStreamRequest.newBuilder().setRequest(named).build());
  }

  /** Ends all calls, as CANCELLED, and the connection. */
  @Override
  public void close() {
    calls.close();
    connection.shutdownNow();
  }

  private static DeleteTicketingUserRequest named(DeleteTicketingUserRequest request) {
    request.getAllFields().forEach((field, value) -> checkText(field.getName(), value));
    return request.getRequestId().isEmpty()
        ? request.toBuilder().setRequestId(UUID.randomUUID().toString()).build()
        : request;
  }

  /** Half of a surrogate pair would arrive as "?", in the id of another user for instance. */
  private static void checkText(String field, Object value) {
    if (value instanceof String text && !StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
      throw new IllegalArgumentException(field + ": has half of a surrogate pair, which is no text");
    }
    if (value instanceof List<?> items) {
      items.forEach(item -> checkText(field, item));
    }
    if (value instanceof Message message) {
      message.getAllFields().values().forEach(part -> checkText(field, part));
    }
  }

  private static Deadline deadline(Duration timeout) {
    if (timeout.isZero() || timeout.isNegative()) {
      throw new IllegalArgumentException("timeout: " + timeout + " is not positive");
    }
    Deadline own = Deadline.after(TimeUnit.NANOSECONDS.convert(timeout), TimeUnit.NANOSECONDS);
    Deadline outer = Context.current().getDeadline();
    return outer == null ? own : own.minimum(outer);
  }

  private Channel authorize(Deadline deadline, String requestId) {
    checkWanted(deadline, requestId);
    if (token == null) {
      return channel;
    }
    Metadata headers = new Metadata();
    Exception failure = null;
    try {
      headers.put(AUTHORIZATION, "Bearer " + usable(token.get()));
    } catch (Exception error) { // Not every language has a supplier declare what it throws.
      failure = error;
    }
    if (deadline.isExpired()) {
      throw notSent(
          Status.DEADLINE_EXCEEDED, "the time was up before there was a token", MEND_TOKEN, requestId, failure);
    }
    checkWanted(deadline, requestId);
    if (failure != null) {
      String why = Objects.requireNonNullElse(failure.getMessage(), failure.toString());
      throw notSent(Status.UNAUTHENTICATED, "no token for the call: " + why, MEND_TOKEN, requestId, failure);
    }
    return ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  /** What a header can't carry gRPC would send with "?" in its place, or leave out and write into the log. */
  private static String usable(String token) {
    if (token == null || !TOKEN.matcher(token).matches()) {
      throw new IllegalArgumentException("what there is is empty, or has characters that a token can't have");
    }
    return token;
  }

  private void checkWanted(Deadline deadline, String requestId) {
    if (deadline.isExpired()) {
      throw notSent(
          Status.DEADLINE_EXCEEDED, "the time was up before anything was sent", NOTHING_SENT, requestId, null);
    }
    Context context = Context.current();
    if (context.isCancelled()) {
      throw notSent(
          Status.CANCELLED,
          "given up before anything was sent",
          NOTHING_SENT,
          requestId,
          context.cancellationCause());
    }
    if (calls.areClosed()) {
      throw notSent(Status.CANCELLED, "the client is closed", NOTHING_SENT, requestId, null);
    }
  }

  private static DeleteException notSent(
      Status code, String description, String advice, String requestId, Throwable cause) {
    return DeleteException.notSent(code.withDescription(description), advice, requestId, cause);
  }

  private static ChannelCredentials credentials(String target, ConnectOptions options) {
    if (options.plaintext) {
      if (options.caFile != null || options.certificateFile != null || options.serverName != null) {
        throw new IllegalArgumentException(
            "a plaintext connection has no authorities, certificate, key or server name");
      }
      if (options.token != null && !LOOPBACK.matcher(target).matches()) {
        throw new IllegalArgumentException("a token goes to " + target + " over TLS only, not in plaintext");
      }
      return InsecureChannelCredentials.create();
    }
    TlsChannelCredentials.Builder credentials = TlsChannelCredentials.newBuilder();
    try {
      if (options.caFile != null) {
        credentials.trustManager(options.caFile.toFile());
      }
      if (options.certificateFile != null) {
        credentials.keyManager(options.certificateFile.toFile(), options.keyFile.toFile());
      }
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    return credentials.build();
  }

  private static ManagedChannelBuilder<?> builder(String target, ChannelCredentials credentials) {
    try {
      return Grpc.newChannelBuilder(target, credentials);
    } catch (RuntimeException error) {
      throw new IllegalArgumentException("no connection to " + target + " can be made: " + error.getMessage(), error);
    }
  }

  private static Map<String, ?> serviceConfig() {
    try (Reader config =
        new InputStreamReader(
            TicketingUserClient.class.getResourceAsStream("service_config.json"), StandardCharsets.UTF_8)) {
      return new Gson().fromJson(config, new TypeToken<Map<String, Object>>() {}.getType());
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }
}
