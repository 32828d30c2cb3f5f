package ticketinguser;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ClientStreamTracer;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;

/**
 * Keeps gRPC from repeating what is not UNAVAILABLE.
 *
 * <p>By itself gRPC for Java follows a push-back whatever the code is: it would wait through a rate limit instead of
 * telling of it, and count every refusal that is not to be repeated against the retries of other calls. So each attempt
 * that ends with another code loses its push-back before gRPC decides.
 */
final class RetryOfUnavailableAlone implements ClientInterceptor {
  private static final Metadata.Key<String> PUSH_BACK =
      Metadata.Key.of("grpc-retry-pushback-ms", Metadata.ASCII_STRING_MARSHALLER);

  private static final ClientStreamTracer TRACER =
      new ClientStreamTracer() {
        @Override
        public void inboundTrailers(Metadata trailers) {
          // The code itself is not among the trailers any more. It is OK where the service gave no details.
          Status.Code code = Status.fromCodeValue(DeleteException.details(trailers).getCode()).getCode();
          if (code != Status.Code.OK && code != Status.Code.UNAVAILABLE) {
            trailers.discardAll(PUSH_BACK);
          }
        }
      };

  private static final ClientStreamTracer.Factory OF_EACH_ATTEMPT =
      new ClientStreamTracer.Factory() {
        @Override
        public ClientStreamTracer newClientStreamTracer(ClientStreamTracer.StreamInfo info, Metadata headers) {
          return TRACER;
        }
      };

  @Override
  public <Request, Response> ClientCall<Request, Response> interceptCall(
      MethodDescriptor<Request, Response> method, CallOptions options, Channel next) {
    return next.newCall(method, options.withStreamTracerFactory(OF_EACH_ATTEMPT));
  }
}
