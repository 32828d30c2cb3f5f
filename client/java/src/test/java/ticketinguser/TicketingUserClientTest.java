package ticketinguser;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.EquivalentAddressGroup;
import io.grpc.ManagedChannelBuilder;
import io.grpc.MethodDescriptor;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.StatusOr;
import io.grpc.StatusRuntimeException;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import ticketing.v1.DeleteOutcome;
import ticketing.v1.DeleteTicketingUserRequest;
import ticketing.v1.DeleteTicketingUserResponse;
import ticketing.v1.DeleteTicketingUserResponse.ResultCase;
import ticketing.v1.DeleteTicketingUserStreamRequest;
import ticketing.v1.DeleteTicketingUserStreamResponse;
import ticketing.v1.ErrorReason;
import ticketing.v1.StreamHeader;
import ticketing.v1.TicketingUserServiceGrpc;
import ticketing.v1.TrutoResponseFormat;

/** What the helper promises, against the real service. */
final class TicketingUserClientTest {
  private static final String HELP_SCOUT = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";
  private static final DeleteTicketingUserRequest ANA =
      DeleteTicketingUserRequest.newBuilder().setId("23423524").setIntegratedAccountId(HELP_SCOUT).build();
  private static final DeleteTicketingUserRequest REQUEST =
      DeleteTicketingUserRequest.newBuilder()
          .setId("42")
          .setIntegratedAccountId("5f0c1e2d-0000-4000-8000-000000001000")
          .build();
  private static final DeleteTicketingUserRequest PLANNED = REQUEST.toBuilder().setValidateOnly(true).build();
  private static final Map<String, String> ONE_ATTEMPT =
      Map.of("TICKETING_TOKEN_RATE", "0", "TICKETING_ACCOUNT_RATE", "0", "TICKETING_MAX_ATTEMPTS", "1");

  @AutoClose private static final Sandbox sandbox = new Sandbox();

  @AutoClose
  private static final Service sandboxService =
      new Service(sandbox.url, with(ONE_ATTEMPT, Map.of("TRUTO_API_TOKEN", Sandbox.TOKEN)));

  @AutoClose private static final Upstream upstream = new Upstream();
  @AutoClose private static final Service service = new Service(upstream.url, ONE_ATTEMPT);

  @TempDir private static Path folder;
  private static Certificates certificates;
  private static Service mutualTls;

  @BeforeAll
  static void startWithTls() throws Exception {
    certificates =
        new Certificates(folder).issue("ticketing.example").issue("allowed.example").issue("other.example");
    mutualTls =
        new Service(
            upstream.url,
            with(
                ofService(),
                Map.of(
                    "TICKETING_TLS_CLIENT_CA_FILE", certificates.caFile().toString(),
                    "TICKETING_ALLOWED_CLIENTS", "allowed.example")));
  }

  @AfterAll
  static void stopWithTls() {
    if (mutualTls != null) {
      mutualTls.close();
    }
  }

  @BeforeEach
  void reset() throws Exception {
    sandbox.reset();
    upstream.play();
  }

  private static Map<String, String> with(Map<String, String> settings, Map<String, String> more) {
    Map<String, String> all = new HashMap<>(settings);
    all.putAll(more);
    return all;
  }

  private static TicketingUserClient connect(Service service) {
    return connect(service, options -> {});
  }

  private static TicketingUserClient connect(Service service, Consumer<ConnectOptions.Builder> choose) {
    ConnectOptions.Builder options = ConnectOptions.builder().plaintext();
    choose.accept(options);
    return TicketingUserClient.connect(service.address, options.build());
  }

  // Success

  @Test
  void aUserIsDeleted() {
    try (TicketingUserClient client = connect(sandboxService)) {
      DeleteTicketingUserResponse answer = client.delete(ANA.toBuilder().setTrutoIgnoreRemoteData(true).build());
      assertEquals(DeleteOutcome.DELETE_OUTCOME_DELETED, answer.getOutcome());
      assertEquals("Ana Souza", answer.getUser().getName());
      assertEquals(1, answer.getReport().getAttempts());
      assertEquals(36, answer.getReport().getRequestId().length());
      DeleteException error = assertThrows(DeleteException.class, () -> client.delete(ANA));
      assertEquals(ErrorReason.ERROR_REASON_USER_NOT_FOUND, error.reason());
      assertEquals(Status.Code.NOT_FOUND, ((StatusRuntimeException) error.getCause()).getStatus().getCode());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "UNSPECIFIED, USER", "UNIFIED, USER", "NORMALIZED, USER", "STREAM, RAW", "DEBUG, DEBUG",
    // Help Scout's own answer to a delete has no body.
    "RAW, RESULT_NOT_SET",
  })
  void everyResponseFormat(String format, ResultCase result) {
    try (TicketingUserClient client = connect(sandboxService)) {
      DeleteTicketingUserResponse answer =
          client.delete(
              ANA.toBuilder()
                  .setTrutoResponseFormat(TrutoResponseFormat.valueOf("TRUTO_RESPONSE_FORMAT_" + format))
                  .setIncludeHttpBody(true)
                  .build());
      assertEquals(DeleteOutcome.DELETE_OUTCOME_DELETED, answer.getOutcome());
      assertEquals(result, answer.getResultCase());
      assertEquals(result == ResultCase.RESULT_NOT_SET, answer.getHttpBody().getData().isEmpty());
    }
  }

  // Streams

  private static DeleteTicketingUserRequest streamOf(String bytes) {
    return ANA.toBuilder()
        .setTrutoResponseFormat(TrutoResponseFormat.TRUTO_RESPONSE_FORMAT_STREAM)
        .setRemoteQuery(RemoteQuery.of(Map.of("sandbox_stream_bytes", bytes)))
        .build();
  }

  @Test
  void aStreamIsHandedOnWhole() throws Exception {
    try (TicketingUserClient client = connect(sandboxService);
        DeleteStream stream = client.deleteStream(streamOf("5000000"))) {
      assertEquals(200, stream.header().orElseThrow().getHttpStatus());
      assertThrows(IllegalStateException.class, stream::summary);
      byte[] buffer = new byte[10_000];
      int total = 0;
      for (int count = stream.read(buffer); count >= 0; count = stream.read(buffer, 1, 9_999)) {
        assertTrue(count > 0);
        total += count;
      }
      assertEquals(5_000_000, total);
      assertEquals(-1, stream.read());
      assertEquals(DeleteOutcome.DELETE_OUTCOME_DELETED, stream.summary().getOutcome());
      assertEquals(0, stream.summary().getReport().getNotesCount());
    }
  }

  @Test
  void aStreamNeedNotBeReadToItsEnd() {
    try (TicketingUserClient client = connect(sandboxService)) {
      DeleteStream stream = client.deleteStream(streamOf("1000000000"));
      assertTrue(stream.read() >= 0);
      assertTrue(stream.available() > 0);
      stream.close();
      DeleteException error = assertThrows(DeleteException.class, stream::readAllBytes);
      assertEquals(Status.Code.CANCELLED, error.code());
      assertThrows(IllegalStateException.class, stream::summary);
    }
  }

  @Test
  void aPlannedStreamHasASummaryAlone() {
    try (TicketingUserClient client = connect(sandboxService);
        DeleteStream stream = client.deleteStream(PLANNED)) {
      assertEquals(Optional.empty(), stream.header());
      assertEquals(-1, stream.read());
      assertEquals("DELETE", stream.summary().getPlannedRequest().getMethod());
    }
  }

  @Test
  void aStreamWithoutASummaryIsAnError() throws Exception {
    Server server =
        InProcessServerBuilder.forName("without summary")
            .addService(
                new TicketingUserServiceGrpc.TicketingUserServiceImplBase() {
                  @Override
                  public void deleteTicketingUserStream(
                      DeleteTicketingUserStreamRequest request,
                      StreamObserver<DeleteTicketingUserStreamResponse> events) {
                    events.onNext(
                        DeleteTicketingUserStreamResponse.newBuilder()
                            .setHeader(StreamHeader.newBuilder().setHttpStatus(200))
                            .build());
                    events.onCompleted();
                  }
                })
            .build()
            .start();
    try (TicketingUserClient client =
            new TicketingUserClient(InProcessChannelBuilder.forName("without summary").build());
        DeleteStream stream = client.deleteStream(REQUEST)) {
      DeleteException error = assertThrows(DeleteException.class, stream::read);
      assertEquals("UNKNOWN: the stream ended without its summary", error.getMessage());
      assertEquals(Delivery.UNKNOWN, error.delivery());
      assertEquals(36, error.requestId().length());
    } finally {
      server.shutdownNow();
    }
  }

  // Errors

  @Test
  void noAnswerIsAnErrorThatAdmitsIt() throws Exception {
    String address;
    try (ServerSocket listener = new ServerSocket(0, 0, InetAddress.getLoopbackAddress())) {
      address = "127.0.0.1:" + listener.getLocalPort();
    }
    ConnectOptions options = ConnectOptions.builder().plaintext().channel(ManagedChannelBuilder::disableRetry).build();
    try (TicketingUserClient client = TicketingUserClient.connect(address, options)) {
      DeleteException error = assertThrows(DeleteException.class, () -> client.delete(REQUEST));
      assertEquals(Status.Code.UNAVAILABLE, error.code());
      assertEquals(ErrorReason.ERROR_REASON_UNSPECIFIED, error.reason());
      assertEquals(Delivery.UNKNOWN, error.delivery());
      assertEquals(Origin.UNSPECIFIED, error.origin());
      assertEquals(OptionalInt.empty(), error.attempts());
      assertEquals(36, error.requestId().length());
      assertTrue(error.advice().contains("request_id"));
      assertTrue(error.description().contains("Connection refused"), error::toString);
    }
  }

  @Test
  void anInterruptEndsTheCall() throws Exception {
    upstream.play(Upstream.Answer.HANG);
    try (TicketingUserClient client = connect(service)) {
      Thread test = Thread.currentThread();
      Thread interrupter =
          new Thread(
              () -> {
                try {
                  upstream.awaitRequest();
                } catch (InterruptedException error) {
                  throw new IllegalStateException(error);
                }
                test.interrupt();
              });
      interrupter.setDaemon(true);
      interrupter.start();
      DeleteException error = assertThrows(DeleteException.class, () -> client.delete(REQUEST));
      assertTrue(Thread.interrupted());
      interrupter.join();
      assertEquals(Status.Code.CANCELLED, error.code());
      assertEquals(Delivery.UNKNOWN, error.delivery());
    }
  }

  // Calls that end before they begin, or with the client

  private static final List<BiConsumer<TicketingUserClient, DeleteTicketingUserRequest>> CALLS =
      List.of(TicketingUserClient::delete, TicketingUserClient::deleteStream);

  private static void assertNotSent(Status.Code code, String description, DeleteException error) {
    assertEquals(code, error.code());
    assertEquals(description, error.description());
    assertEquals(Delivery.NOT_SENT, error.delivery());
    assertEquals(OptionalInt.of(0), error.attempts());
    assertEquals(36, error.requestId().length());
    assertTrue(error.advice().startsWith("Nothing was sent."), error::advice);
    assertEquals(Map.of(), error.metadata());
  }

  @Test
  void aCallOfAClosedClientIsNotSent() {
    TicketingUserClient client = connect(service);
    client.close();
    for (var call : CALLS) {
      DeleteException error = assertThrows(DeleteException.class, () -> call.accept(client, REQUEST));
      assertNotSent(Status.Code.CANCELLED, "the client is closed", error);
    }
  }

  @Test
  void aCallThatWasGivenUpBeforeItBeganIsNotSent() {
    try (TicketingUserClient client = connect(service)) {
      for (var call : CALLS) {
        Context.CancellableContext context = Context.current().withCancellation();
        context.cancel(null);
        context.run(
            () ->
                assertNotSent(
                    Status.Code.CANCELLED,
                    "given up before anything was sent",
                    assertThrows(DeleteException.class, () -> call.accept(client, REQUEST))));
      }
      assertEquals(List.of(), upstream.received());
    }
  }

  @Test
  void aCallWhoseTimeIsUpBeforeItBeganIsNotSent() {
    Deadline past = Deadline.after(-1, TimeUnit.SECONDS);
    try (TicketingUserClient client = connect(service);
        Context.CancellableContext context =
            Context.current().withDeadline(past, Executors.newSingleThreadScheduledExecutor())) {
      for (var call : CALLS) {
        context.run(
            () ->
                assertNotSent(
                    Status.Code.DEADLINE_EXCEEDED,
                    "the time was up before anything was sent",
                    assertThrows(DeleteException.class, () -> call.accept(client, REQUEST))));
      }
      assertEquals(List.of(), upstream.received());
    }
  }

  @Test
  void closeEndsTheCalls() throws Exception {
    for (var call : CALLS) {
      upstream.play(Upstream.Answer.HANG);
      TicketingUserClient client = connect(service);
      CompletableFuture<Void> ended = CompletableFuture.runAsync(() -> call.accept(client, REQUEST));
      upstream.awaitRequest();
      client.close();
      assertEndedByClose(exceptionOf(ended));
    }
  }

  @Test
  void closeEndsAStreamThatHasBegun() {
    TicketingUserClient client = connect(sandboxService);
    DeleteStream stream = client.deleteStream(streamOf("1000000000"));
    client.close();
    assertEndedByClose(assertThrows(DeleteException.class, stream::readAllBytes));
  }

  private static DeleteException exceptionOf(CompletableFuture<Void> call) {
    return assertInstanceOf(
        DeleteException.class, assertThrows(ExecutionException.class, call::get).getCause());
  }

  private static void assertEndedByClose(DeleteException error) {
    assertEquals(Status.Code.CANCELLED, error.code());
    assertEquals(Delivery.UNKNOWN, error.delivery());
    assertTrue(error.description().contains("the client was closed"), error::toString);
  }

  @Test
  void aCallEndsWithGrpcsContext() throws Exception {
    upstream.play(Upstream.Answer.HANG);
    try (TicketingUserClient client = connect(service);
        Context.CancellableContext context = Context.current().withCancellation()) {
      Runnable call = () -> client.delete(REQUEST);
      CompletableFuture<Void> ended = CompletableFuture.runAsync(context.wrap(call));
      upstream.awaitRequest();
      context.cancel(null);
      DeleteException error = exceptionOf(ended);
      assertEquals(Status.Code.CANCELLED, error.code());
      assertEquals(Delivery.UNKNOWN, error.delivery());
    }
  }

  // Deadlines

  @Test
  void aDeadlineAfterTheRequestWasSent() {
    upstream.play(Upstream.Answer.HANG);
    try (TicketingUserClient client = connect(service)) {
      // The deadline is not for the connection.
      client.delete(PLANNED);
      DeleteException error =
          assertThrows(DeleteException.class, () -> client.delete(REQUEST, Duration.ofSeconds(3)));
      assertEquals(1, upstream.received().size());
      assertEquals(Status.Code.DEADLINE_EXCEEDED, error.code());
      assertEquals(Delivery.UNKNOWN, error.delivery());
      // A machine that is busy may keep the service's own answer from arriving in time.
      assertTrue(List.of("DEADLINE_EXCEEDED_OUTCOME_UNKNOWN", "").contains(error.reasonName()), error::toString);
    }
  }

  @Test
  void aDeadlineTooShortToSendAnything() {
    upstream.play(Upstream.Answer.DELETED);
    try (TicketingUserClient client = connect(service)) {
      DeleteException error =
          assertThrows(DeleteException.class, () -> client.delete(REQUEST, Duration.ofMillis(50)));
      assertEquals(Status.Code.DEADLINE_EXCEEDED, error.code());
      assertEquals(List.of(), upstream.received());
    }
  }

  /** Keeps the deadline of the last call. */
  private static final class DeadlineWatch implements ClientInterceptor {
    private Deadline last;

    @Override
    public <Request, Response> ClientCall<Request, Response> interceptCall(
        MethodDescriptor<Request, Response> method, CallOptions options, Channel next) {
      last = options.getDeadline();
      return next.newCall(method, options);
    }
  }

  @Test
  void everyCallHasADeadline() {
    DeadlineWatch watch = new DeadlineWatch();
    try (TicketingUserClient client =
        connect(service, options -> options.channel(builder -> builder.intercept(watch)))) {
      assertDeadline(watch, Duration.ofSeconds(30), () -> client.delete(PLANNED));
      assertDeadline(watch, Duration.ofSeconds(20), () -> client.delete(PLANNED, Duration.ofSeconds(20)));
      assertDeadline(watch, Duration.ofMinutes(10), () -> client.deleteStream(PLANNED).close());
      assertDeadline(watch, Duration.ofMinutes(1), () -> client.deleteStream(PLANNED, Duration.ofMinutes(1)).close());
    }
  }

  private static void assertDeadline(DeadlineWatch watch, Duration wanted, Runnable call) {
    Deadline earliest = Deadline.after(wanted.toNanos(), TimeUnit.NANOSECONDS);
    call.run();
    Deadline latest = Deadline.after(wanted.toNanos(), TimeUnit.NANOSECONDS);
    assertFalse(watch.last.isBefore(earliest));
    assertFalse(latest.isBefore(watch.last));
  }

  @Test
  void aTokensSourceThatTakesLongerThanTheDeadlineIsTold() {
    Duration timeout = Duration.ofMillis(100);
    Supplier<String> slow =
        () -> {
          Deadline later = Deadline.after(timeout.toNanos(), TimeUnit.NANOSECONDS);
          while (!later.isExpired()) {
            Thread.onSpinWait();
          }
          return "secret";
        };
    Supplier<String> slowAndBroken = () -> slow.get() + "\n";
    for (Supplier<String> token : List.of(slow, slowAndBroken)) {
      try (TicketingUserClient client = connect(service, options -> options.token(token))) {
        for (DeleteException error :
            List.of(
                assertThrows(DeleteException.class, () -> client.delete(REQUEST, timeout)),
                assertThrows(DeleteException.class, () -> client.deleteStream(REQUEST, timeout)))) {
          // On a machine that is busy the time may be up before the token is asked for.
          assertTrue(error.description().startsWith("the time was up before "), error::toString);
          assertNotSent(Status.Code.DEADLINE_EXCEEDED, error.description(), error);
        }
      }
    }
    assertEquals(List.of(), upstream.received());
  }

  @Test
  void aTimeoutThatIsNotPositiveIsRefused() {
    try (TicketingUserClient client = connect(service)) {
      for (Duration timeout : List.of(Duration.ZERO, Duration.ofNanos(-1))) {
        for (Executable call :
            List.<Executable>of(
                () -> client.delete(REQUEST, timeout), () -> client.deleteStream(REQUEST, timeout))) {
          IllegalArgumentException error = assertThrows(IllegalArgumentException.class, call);
          assertEquals("timeout: " + timeout + " is not positive", error.getMessage());
        }
      }
      assertEquals(List.of(), upstream.received());
    }
  }

  @Test
  void theLongestTimeoutIsTaken() {
    try (TicketingUserClient client = connect(service)) {
      client.delete(PLANNED, Duration.ofSeconds(Long.MAX_VALUE));
    }
  }

  // Retries

  @Test
  void theServicesPushBackIsHeeded() {
    upstream.play(Upstream.Answer.of(425), Upstream.Answer.DELETED);
    try (TicketingUserClient client = connect(service)) {
      DeleteTicketingUserResponse answer = client.delete(REQUEST);
      List<Upstream.Received> requests = assertRepeated();
      // The service says 1 s; the client's own back-off would be at most 0.12 s.
      assertTrue(requests.get(1).nanoTime() - requests.get(0).nanoTime() >= Duration.ofSeconds(1).toNanos());
      assertEquals(answer.getReport().getRequestId(), requests.get(0).key());
    }
  }

  @Test
  void aStreamIsRepeatedLikewise() throws Exception {
    upstream.play(Upstream.Answer.of(425), Upstream.Answer.DELETED);
    try (TicketingUserClient client = connect(service);
        DeleteStream stream = client.deleteStream(REQUEST)) {
      assertArrayEquals(Upstream.Answer.DELETED.body(), stream.readAllBytes());
      assertRepeated();
    }
  }

  /** Two requests under one key. */
  private static List<Upstream.Received> assertRepeated() {
    List<Upstream.Received> requests = upstream.received();
    assertEquals(2, requests.size());
    assertNotNull(requests.get(0).key());
    assertEquals(requests.get(0).key(), requests.get(1).key());
    return requests;
  }

  @ParameterizedTest
  @ValueSource(ints = {429, 500, 409})
  void nothingElseIsRepeated(int status) {
    Map<String, String> headers = status == 429 ? Map.of("retry-after", "1") : Map.of();
    upstream.play(new Upstream.Answer(status, headers, new byte[0], 0), Upstream.Answer.DELETED);
    try (TicketingUserClient client = connect(service)) {
      assertThrows(DeleteException.class, () -> client.delete(REQUEST));
      assertEquals(1, upstream.received().size());
    }
  }

  @Test
  void refusalsDoNotUseTheRetriesUp() {
    List<Upstream.Answer> script = new ArrayList<>(Collections.nCopies(10, Upstream.Answer.of(409)));
    script.addAll(List.of(Upstream.Answer.of(425), Upstream.Answer.DELETED));
    upstream.play(script);
    try (TicketingUserClient client = connect(service)) {
      for (int i = 0; i < 10; ++i) {
        DeleteException error = assertThrows(DeleteException.class, () -> client.delete(REQUEST));
        assertEquals(ErrorReason.ERROR_REASON_CONFLICT, error.reason());
      }
      assertEquals("42", client.delete(REQUEST).getUser().getId());
    }
  }

  /** While it is open, every target of the scheme "both" resolves to the addresses of two services. */
  private static final class Both extends NameResolverProvider implements AutoCloseable {
    private final List<EquivalentAddressGroup> addresses;

    Both(Service... services) {
      addresses =
          List.of(services).stream()
              .map(service -> URI.create("//" + service.address))
              .map(uri -> new EquivalentAddressGroup(new InetSocketAddress(uri.getHost(), uri.getPort())))
              .toList();
      NameResolverRegistry.getDefaultRegistry().register(this);
    }

    TicketingUserClient connect() {
      return TicketingUserClient.connect("both:///", ConnectOptions.builder().plaintext().build());
    }

    @Override
    public void close() {
      NameResolverRegistry.getDefaultRegistry().deregister(this);
    }

    @Override
    protected boolean isAvailable() {
      return true;
    }

    @Override
    protected int priority() {
      return 5;
    }

    @Override
    public String getDefaultScheme() {
      return "both";
    }

    @Override
    public NameResolver newNameResolver(URI target, NameResolver.Args arguments) {
      return new NameResolver() {
        @Override
        public String getServiceAuthority() {
          return "both";
        }

        @Override
        public void start(Listener2 listener) {
          listener.onResult(ResolutionResult.newBuilder().setAddressesOrError(StatusOr.fromValue(addresses)).build());
        }

        @Override
        public void shutdown() {}
      };
    }
  }

  @Test
  void aRepeatAfterAReplicaThatDiedDoesNotHideItsDelete() throws Exception {
    Upstream.Answer absent =
        new Upstream.Answer(
            404,
            Map.of("content-type", "application/json"),
            "{\"statusCode\":404,\"error\":\"Not Found\",\"message\":\"No such user\"}"
                .getBytes(StandardCharsets.UTF_8),
            0);
    upstream.play(Upstream.Answer.HANG, absent);
    // The token tells which one has sent the request.
    try (Service first = new Service(upstream.url, with(ONE_ATTEMPT, Map.of("TRUTO_API_TOKEN", "first")));
        Service second = new Service(upstream.url, with(ONE_ATTEMPT, Map.of("TRUTO_API_TOKEN", "second")));
        Both both = new Both(first, second);
        TicketingUserClient client = both.connect()) {
      CompletableFuture<Void> ended = CompletableFuture.runAsync(() -> client.delete(REQUEST));
      upstream.awaitRequest();
      boolean sentByFirst = upstream.received().get(0).headers().get("authorization").equals("Bearer first");
      (sentByFirst ? first : second).close();
      DeleteException error = exceptionOf(ended);
      assertRepeated();
      assertEquals(ErrorReason.ERROR_REASON_ABSENT_AFTER_AMBIGUOUS_ATTEMPT, error.reason());
      assertEquals(Delivery.UNKNOWN, error.delivery());
      assertEquals("1", error.metadata().get("previous_rpc_attempts"));
    }
  }

  @Test
  void callsGoToAllAddressesThatStay() {
    // Each says in its plan where it would send the request. The end comes long after the test.
    Map<String, String> settings = Map.of("TICKETING_DRAIN_DELAY", "10m");
    try (Service first = new Service("http://127.0.0.1:1", settings);
        Service second = new Service("http://127.0.0.1:2", settings);
        Both both = new Both(first, second);
        TicketingUserClient client = both.connect()) {
      assertTrue(areCalledInARow(client, "http://127.0.0.1:1/", 1));
      assertTrue(areCalledInARow(client, "http://127.0.0.1:2/", 1));
      first.terminate();
      // In turn it would be called again at once.
      assertTrue(areCalledInARow(client, "http://127.0.0.1:2/", 20));
    }
  }

  /** Whether of 10,000 calls at most so many in a row go to the service with this URL. */
  private static boolean areCalledInARow(TicketingUserClient client, String url, int wanted) {
    int count = 0;
    for (int i = 0; i < 10_000 && count < wanted; ++i) {
      count = client.delete(PLANNED).getPlannedRequest().getUrl().startsWith(url) ? count + 1 : 0;
    }
    return count == wanted;
  }

  // Values that must survive

  @Test
  void halfOfASurrogatePairIsRefused() {
    try (TicketingUserClient client = connect(service)) {
      for (DeleteTicketingUserRequest request :
          List.of(
              REQUEST.toBuilder().setId("42\uD83D").build(),
              REQUEST.toBuilder().addTrutoExcludeFields("a").addTrutoExcludeFields("\uDE00").build(),
              REQUEST.toBuilder().setRemoteQuery(RemoteQuery.of(Map.of("a\uD83D", List.of("b")))).build(),
              REQUEST.toBuilder().setRemoteQuery(RemoteQuery.of(Map.of("a", List.of("b\uD83D")))).build())) {
        assertThrows(IllegalArgumentException.class, () -> client.delete(request));
        assertThrows(IllegalArgumentException.class, () -> client.deleteStream(request));
      }
      assertEquals(List.of(), upstream.received());
    }
  }

  // TLS and tokens

  private static Map<String, String> ofService() {
    return Map.of(
        "TICKETING_TLS_CERT_FILE", certificates.certificateFile("ticketing.example").toString(),
        "TICKETING_TLS_KEY_FILE", certificates.keyFile("ticketing.example").toString());
  }

  private static ConnectOptions.Builder tls() {
    return ConnectOptions.builder().caFile(certificates.caFile()).serverName("ticketing.example");
  }

  private static ConnectOptions.Builder tls(String caller) {
    return tls().certificate(certificates.certificateFile(caller), certificates.keyFile(caller));
  }

  @Test
  void aCallerWithACertificateIsLetIn() {
    upstream.play(Upstream.Answer.DELETED);
    try (TicketingUserClient client =
        TicketingUserClient.connect(mutualTls.address, tls("allowed.example").build())) {
      assertEquals("42", client.delete(REQUEST).getUser().getId());
    }
  }

  @Test
  void aCallerWithAnotherCertificateIsNotAllowed() {
    upstream.play(Upstream.Answer.DELETED);
    try (TicketingUserClient client = TicketingUserClient.connect(mutualTls.address, tls("other.example").build())) {
      DeleteException error = assertThrows(DeleteException.class, () -> client.delete(REQUEST));
      assertEquals(ErrorReason.ERROR_REASON_CALLER_NOT_ALLOWED, error.reason());
      assertEquals(Delivery.NOT_SENT, error.delivery());
      assertEquals(List.of(), upstream.received());
    }
  }

  private enum Wrong {
    NO_CERTIFICATE,
    ANOTHER_NAME_OF_THE_SERVICE,
    AN_AUTHORITY_OF_NOBODY
  }

  @ParameterizedTest
  @EnumSource
  void aConnectionThatIsNotAsAgreedIsNone(Wrong wrong, @TempDir Path elsewhere) throws Exception {
    upstream.play(Upstream.Answer.DELETED);
    ConnectOptions.Builder options =
        switch (wrong) {
          case NO_CERTIFICATE -> tls();
          case ANOTHER_NAME_OF_THE_SERVICE -> tls("allowed.example").serverName("elsewhere.example");
          case AN_AUTHORITY_OF_NOBODY -> tls("allowed.example").caFile(new Certificates(elsewhere).caFile());
        };
    try (TicketingUserClient client = TicketingUserClient.connect(mutualTls.address, options.build())) {
      DeleteException error = assertThrows(DeleteException.class, () -> client.delete(REQUEST));
      assertEquals(Status.Code.UNAVAILABLE, error.code());
      assertEquals(List.of(), upstream.received());
    }
  }

  @Test
  void eachCallAsksForItsToken() {
    upstream.play(Upstream.Answer.DELETED, Upstream.Answer.DELETED);
    // The last are nothing, a file's with its line break, a character that no header can carry, and none.
    Iterator<String> tokens = List.of("first", "second", "", "secret\n", "secrét").iterator();
    Supplier<String> token = tokens::next;
    try (Service withTokens = new Service(upstream.url, with(ofService(), Map.of("TICKETING_AUTH", "caller")));
        TicketingUserClient client =
            TicketingUserClient.connect(withTokens.address, tls().token(token).build())) {
      client.delete(REQUEST);
      client.delete(REQUEST);
      for (int i = 0; i < 4; ++i) {
        DeleteException error = assertThrows(DeleteException.class, () -> client.delete(REQUEST));
        String why =
            i < 3
                ? "what there is is empty, or has characters that a token can't have"
                : NoSuchElementException.class.getName();
        assertNotSent(Status.Code.UNAUTHENTICATED, "no token for the call: " + why, error);
        assertEquals("Nothing was sent. Have the token's source mended.", error.advice());
        assertFalse(error.getCause().toString().contains("secr"));
      }
    }
    assertEquals(
        List.of("Bearer first", "Bearer second"),
        upstream.received().stream().map(request -> request.headers().get("authorization")).toList());
  }

  @Test
  void aChannelOfTheCallersMakingMayHaveAToken() {
    upstream.play(Upstream.Answer.DELETED);
    try (Service withTokens = new Service(upstream.url, Map.of("TICKETING_AUTH", "caller"));
        TicketingUserClient client =
            new TicketingUserClient(
                ManagedChannelBuilder.forTarget(withTokens.address).usePlaintext().build(), () -> "mine")) {
      client.delete(REQUEST);
    }
    assertEquals("Bearer mine", upstream.received().get(0).headers().get("authorization"));
  }

  @Test
  void aTokensSourceMayThrowAnything() {
    IOException broken = new IOException("the file is gone");
    try (TicketingUserClient client =
        connect(service, options -> options.token(() -> TicketingUserClientTest.<RuntimeException>sneak(broken)))) {
      DeleteException error = assertThrows(DeleteException.class, () -> client.delete(REQUEST));
      assertNotSent(Status.Code.UNAUTHENTICATED, "no token for the call: the file is gone", error);
      assertSame(broken, error.getCause());
    }
  }

  /** Throws what it does not declare, as another language of the JVM may. */
  @SuppressWarnings("unchecked")
  private static <T extends Throwable> String sneak(Throwable error) throws T {
    throw (T) error;
  }

  @ParameterizedTest
  @CsvSource({
    "ticketing.example:50051, true",
    "dns:///ticketing.example:50051, true",
    "localhost.example:50051, true",
    "10.0.0.1:50051, true",
    "127.0.0.1.example:50051, true",
    "dns://10.0.0.1/localhost:50051, true",
    "localhost, true",
    "localhost:50051, false",
    "dns:///localhost:50051, false",
    "127.0.0.1:50051, false",
    "[::1]:50051, false",
    "unix:/run/ticketing, false",
  })
  void aTokenLeavesTheMachineOverTlsAlone(String target, boolean refused) {
    ConnectOptions options = ConnectOptions.builder().plaintext().token(() -> "secret").build();
    if (refused) {
      IllegalArgumentException error =
          assertThrows(IllegalArgumentException.class, () -> TicketingUserClient.connect(target, options));
      assertTrue(error.getMessage().contains("over TLS only"), error::toString);
    } else {
      TicketingUserClient.connect(target, options).close();
    }
  }

  @Test
  void optionsThatContradictEachOtherAreRefused() {
    for (ConnectOptions.Builder options :
        List.of(tls(), tls("allowed.example"), ConnectOptions.builder().serverName("a"))) {
      IllegalArgumentException error =
          assertThrows(
              IllegalArgumentException.class,
              () -> TicketingUserClient.connect("localhost:1", options.plaintext().build()));
      assertTrue(error.getMessage().contains("plaintext connection"), error::toString);
    }
  }

  @Test
  void filesThatHaveNotWhatTheyShouldAreRefused() {
    Path certificate = certificates.certificateFile("allowed.example");
    Path key = certificates.keyFile("allowed.example");
    for (ConnectOptions.Builder options : List.of(tls().caFile(key), tls().certificate(key, certificate))) {
      assertThrows(
          IllegalArgumentException.class, () -> TicketingUserClient.connect("localhost:1", options.build()));
    }
    UncheckedIOException error =
        assertThrows(
            UncheckedIOException.class,
            () -> TicketingUserClient.connect("localhost:1", tls().caFile(folder.resolve("absent.pem")).build()));
    assertTrue(error.getMessage().contains("absent.pem"), error::toString);
  }

  // The example

  private record Ended(int exitCode, String output, String errors) {}

  private static Ended runExample(Path folder) throws Exception {
    File output = folder.resolve("output").toFile();
    File errors = folder.resolve("errors").toFile();
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-classpath",
                System.getProperty("java.class.path"),
                "example/DeleteUser.java",
                "--plaintext",
                sandboxService.address,
                ANA.getId(),
                ANA.getIntegratedAccountId())
            .redirectOutput(output)
            .redirectError(errors)
            .start();
    int exitCode = process.waitFor();
    return new Ended(exitCode, Files.readString(output.toPath()), Files.readString(errors.toPath()));
  }

  @Test
  void theExampleRuns(@TempDir Path folder) throws Exception {
    Ended first = runExample(folder);
    assertEquals("DELETE_OUTCOME_DELETED 23423524 Ana Souza\n", first.output, first.errors);
    assertEquals(0, first.exitCode);
    Ended second = runExample(folder);
    assertEquals("", second.output);
    // A newer JVM has warnings of its own.
    assertTrue(second.errors.lines().anyMatch(line -> line.startsWith("USER_NOT_FOUND: ")), second.errors);
    assertEquals(1, second.exitCode);
  }
}
