package ticketinguser;

import io.grpc.ManagedChannelBuilder;
import java.nio.file.Path;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** How to reach the service; without any option by TLS, with the JVM's authorities. */
public final class ConnectOptions {
  final boolean plaintext;
  final Path caFile;
  final Path certificateFile;
  final Path keyFile;
  final String serverName;
  final Supplier<String> token;
  final Consumer<ManagedChannelBuilder<?>> channel;

  private ConnectOptions(Builder builder) {
    plaintext = builder.plaintext;
    caFile = builder.caFile;
    certificateFile = builder.certificateFile;
    keyFile = builder.keyFile;
    serverName = builder.serverName;
    token = builder.token;
    channel = builder.channel;
  }

  /** Options to choose from. */
  public static Builder builder() {
    return new Builder();
  }

  /** What was chosen so far. */
  public static final class Builder {
    private boolean plaintext;
    private Path caFile;
    private Path certificateFile;
    private Path keyFile;
    private String serverName;
    private Supplier<String> token;
    private Consumer<ManagedChannelBuilder<?>> channel = builder -> {};

    private Builder() {}

    /** No TLS. */
    public Builder plaintext() {
      plaintext = true;
      return this;
    }

    /** The authorities to trust, and no others, in PEM. */
    public Builder caFile(Path file) {
      caFile = Objects.requireNonNull(file);
      return this;
    }

    /**
     * Who the caller is, for a service that asks for certificates (mTLS).
     *
     * @param certificateFile the certificate and those between it and its authority, in PEM
     * @param keyFile its key, in PEM as of PKCS #8 ({@code BEGIN PRIVATE KEY})
     */
    public Builder certificate(Path certificateFile, Path keyFile) {
      this.certificateFile = Objects.requireNonNull(certificateFile);
      this.keyFile = Objects.requireNonNull(keyFile);
      return this;
    }

    /** The name that the service's certificate must have, if it is not the target's. */
    public Builder serverName(String name) {
      serverName = Objects.requireNonNull(name);
      return this;
    }

    /**
     * Truto's token, for a service with TICKETING_AUTH=caller. It is asked for anew for each call, whose deadline holds
     * for that too: a source that takes longer should give up itself.
     */
    public Builder token(Supplier<String> token) {
      this.token = Objects.requireNonNull(token);
      return this;
    }

    /** gRPC's own options, which go before those of this package. */
    public Builder channel(Consumer<ManagedChannelBuilder<?>> options) {
      channel = Objects.requireNonNull(options);
      return this;
    }

    /** The options; the builder may be used further. */
    public ConnectOptions build() {
      return new ConnectOptions(this);
    }
  }
}
