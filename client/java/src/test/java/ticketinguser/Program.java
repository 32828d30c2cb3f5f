package ticketinguser;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** A program under test, whose output is read all along. */
class Program implements AutoCloseable {
  private static final String END = "\n";

  private final Process process;
  private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();
  private final Thread reader = new Thread(this::read);

  /**
   * @param variable the environment variable with the program's path
   * @param environment all that the program gets
   */
  Program(String variable, List<String> arguments, Map<String, String> environment) {
    String path = System.getenv(variable);
    if (path == null) {
      throw new IllegalStateException(variable + " must be the path of the built program");
    }
    List<String> command = new ArrayList<>(arguments);
    command.add(0, path);
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().clear();
    builder.environment().putAll(environment);
    try {
      process = builder.start();
    } catch (IOException error) {
      throw new IllegalStateException(error);
    }
    // However the tests end.
    Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
    reader.start();
  }

  /** The next line with a text. */
  String waitForLine(String text) {
    StringBuilder seen = new StringBuilder();
    try {
      for (String line = lines.take(); !line.equals(END); line = lines.take()) {
        if (line.contains(text)) {
          return line;
        }
        seen.append(line).append('\n');
      }
    } catch (InterruptedException error) {
      seen.append("interrupted");
    }
    close();
    throw new IllegalStateException("the program ended without a line with " + text + ":\n" + seen);
  }

  void terminate() {
    process.destroy();
  }

  @Override
  public void close() {
    process.destroyForcibly();
    try {
      process.waitFor();
      reader.join();
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
  }

  private void read() {
    try (BufferedReader output = process.inputReader(StandardCharsets.UTF_8)) {
      for (String line = output.readLine(); line != null; line = output.readLine()) {
        lines.add(line);
      }
    } catch (IOException error) {
      // It was killed.
    }
    lines.add(END);
  }
}
