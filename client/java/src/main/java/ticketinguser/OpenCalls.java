package ticketinguser;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The calls of a client, which end as CANCELLED when it is closed.
 *
 * <p>A channel that is shut down ends them as UNAVAILABLE, which would say that nothing was executed.
 */
final class OpenCalls implements ClientInterceptor {
  private final Set<Context.CancellableContext> contexts = ConcurrentHashMap.newKeySet();
  private volatile boolean closed;

  /** Ends all, and those that begin later. */
  void close() {
    closed = true;
    contexts.forEach(OpenCalls::cancel);
  }

  boolean areClosed() {
    return closed;
  }

  private static void cancel(Context.CancellableContext context) {
    context.cancel(Status.CANCELLED.withDescription("the client was closed").asRuntimeException());
  }

  @Override
  public <Request, Response> ClientCall<Request, Response> interceptCall(
      MethodDescriptor<Request, Response> method, CallOptions options, Channel next) {
    Context.CancellableContext context = Context.current().withCancellation();
    Context outer = context.attach();
    ClientCall<Request, Response> call;
    try {
      call = next.newCall(method, options);
    } finally {
      context.detach(outer);
    }
    return new SimpleForwardingClientCall<>(call) {
      @Override
      public void start(Listener<Response> listener, Metadata headers) {
        contexts.add(context);
        if (closed) {
          OpenCalls.cancel(context);
        }
        super.start(
            new SimpleForwardingClientCallListener<>(listener) {
              @Override
              public void onClose(Status status, Metadata trailers) {
                contexts.remove(context);
                // Else the outer context would keep it.
                context.cancel(null);
                super.onClose(status, trailers);
              }
            },
            headers);
      }
    };
  }
}
