package ticketinguser;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

/** An upstream that answers each request with the next answer of its script, and closes the connection. */
final class Upstream implements AutoCloseable {
  /**
   * A step of a script.
   *
   * @param missingBytes how much more the Content-Length promises
   */
  record Answer(int status, Map<String, String> headers, byte[] body, int missingBytes) {
    /** Ends the connection. */
    static final Answer CLOSE = of(0);
    /** Leaves the connection as it is until the end of the test. */
    static final Answer HANG = of(0);
    /** A user was deleted. */
    static final Answer DELETED =
        new Answer(
            200,
            Map.of("content-type", "application/json"),
            "{\"id\":\"42\"}".getBytes(StandardCharsets.UTF_8),
            0);

    static Answer of(int status) {
      return new Answer(status, Map.of(), new byte[0], 0);
    }

    private void write(OutputStream output) throws IOException {
      StringBuilder head = new StringBuilder("HTTP/1.1 " + status + " \r\nconnection: close\r\n");
      headers.forEach((name, value) -> head.append(name).append(": ").append(value).append("\r\n"));
      if (status != 204) {
        head.append("content-length: ").append(body.length + missingBytes).append("\r\n");
      }
      output.write(head.append("\r\n").toString().getBytes(StandardCharsets.UTF_8));
      output.write(body);
    }
  }

  /** A request that came in, with its headers by lower-case name. */
  record Received(String method, String target, Map<String, String> headers, long nanoTime) {
    String key() {
      return headers.get("idempotency-key");
    }
  }

  final String url;
  private final ServerSocket listener;
  private final CountDownLatch released = new CountDownLatch(1);
  private List<Received> received = new ArrayList<>();
  private Deque<Answer> script = new ArrayDeque<>();

  Upstream() {
    try {
      listener = new ServerSocket(0, 0, InetAddress.getLoopbackAddress());
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    url = "http://127.0.0.1:" + listener.getLocalPort();
    start(this::accept);
  }

  /** Forgets what was, and answers with a script from now on. */
  void play(Answer... answers) {
    play(List.of(answers));
  }

  synchronized void play(List<Answer> answers) {
    received = new ArrayList<>();
    script = new ArrayDeque<>(answers);
  }

  synchronized List<Received> received() {
    return List.copyOf(received);
  }

  /** Returns once there is a request. */
  synchronized void awaitRequest() throws InterruptedException {
    while (received.isEmpty()) {
      wait();
    }
  }

  @Override
  public void close() throws IOException {
    released.countDown();
    listener.close();
  }

  private static void start(Runnable work) {
    Thread thread = new Thread(work);
    thread.setDaemon(true);
    thread.start();
  }

  private void accept() {
    try {
      while (true) {
        Socket connection = listener.accept();
        start(() -> serve(connection));
      }
    } catch (IOException error) {
      // It was closed.
    }
  }

  private void serve(Socket connection) {
    try (connection;
        BufferedReader input =
            new BufferedReader(new InputStreamReader(connection.getInputStream(), StandardCharsets.ISO_8859_1))) {
      String requestLine = input.readLine();
      if (requestLine == null) {
        return;
      }
      Map<String, String> headers = new HashMap<>();
      for (String line = input.readLine(); !line.isEmpty(); line = input.readLine()) {
        String[] parts = line.split(":", 2);
        headers.put(parts[0].toLowerCase(Locale.ROOT), parts[1].strip());
      }
      String[] parts = requestLine.split(" ");
      Answer answer = next(new Received(parts[0], parts[1], headers, System.nanoTime()));
      if (answer == Answer.HANG) {
        released.await();
      } else if (answer != Answer.CLOSE) {
        answer.write(connection.getOutputStream());
      }
    } catch (IOException | InterruptedException error) {
      // The service is gone.
    }
  }

  private synchronized Answer next(Received request) {
    received.add(request);
    notifyAll();
    // No case expects a teapot: a request too many is seen.
    return script.isEmpty() ? Answer.of(418) : script.remove();
  }
}
