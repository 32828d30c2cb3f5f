import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type ChannelOptions,
  Client,
  type ClientReadableStream,
  connectivityState,
  credentials,
  experimental,
  status,
} from "@grpc/grpc-js";
import {
  Health,
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "./gen/grpc/health/v1/health_pb.js";

/**
 * The name of a load balancing policy that gRPC for Node.js lacks: round robin that leaves out connections whose service
 * says that it is about to end, as gRPC's other languages do by themselves. Its config is a `healthCheckConfig`.
 */
export const HEALTH_CHECKED_ROUND_ROBIN = "ticketing_user_health_checked_round_robin";

/** When to ask again after an answer that ended though the connection did not, in milliseconds. */
const ASK_AGAIN_MS = 1000;

const ROUND_ROBIN = experimental.parseLoadBalancingConfig({ round_robin: {} });

class Config implements experimental.TypedLoadBalancingConfig {
  constructor(readonly serviceName: string) {}

  static createFromJson({ serviceName }: { serviceName: string }): Config {
    return new Config(serviceName);
  }

  getLoadBalancerName(): string {
    return HEALTH_CHECKED_ROUND_ROBIN;
  }

  toJsonObject(): object {
    return { [HEALTH_CHECKED_ROUND_ROBIN]: { serviceName: this.serviceName } };
  }
}

class HealthCheckedRoundRobin extends experimental.ChildLoadBalancerHandler {
  #serviceName = "";

  constructor(helper: experimental.ChannelControlHelper) {
    const createSubchannel = (address: experimental.SubchannelAddress, options: ChannelOptions) =>
      new HealthCheckedConnection(helper.createSubchannel(address, options), this.#serviceName);
    super(experimental.createChildChannelControlHelper(helper, { createSubchannel }));
  }

  override updateAddressList(
    endpoints: experimental.StatusOr<experimental.Endpoint[]>,
    config: experimental.TypedLoadBalancingConfig,
    options: ChannelOptions,
    note: string,
  ): boolean {
    if (config instanceof Config) this.#serviceName = config.serviceName;
    return super.updateAddressList(endpoints, ROUND_ROBIN, options, note);
  }

  override getTypeName(): string {
    return HEALTH_CHECKED_ROUND_ROBIN;
  }
}

/**
 * Connections whose service said that it is about to end. Whenever a name is resolved anew, each address gets a new object
 * of the class below, which must not begin by using one of them.
 */
const ending = new WeakSet<object>();

class HealthCheckedConnection extends experimental.BaseSubchannelWrapper {
  readonly #serviceName: string;
  #watch: ClientReadableStream<HealthCheckResponse> | undefined;
  #askAgain: NodeJS.Timeout | undefined;
  #inUse = false;

  constructor(child: experimental.SubchannelInterface, serviceName: string) {
    super(child);
    this.#serviceName = serviceName;
    if (ending.has(this.getRealSubchannel())) this.setHealthy(false);
  }

  override ref(): void {
    super.ref();
    if (this.#inUse) return;
    this.#inUse = true;
    this.child.addConnectivityStateListener(this.#follow);
    this.#follow();
  }

  protected override destroy(): void {
    super.destroy();
    this.#inUse = false;
    this.child.removeConnectivityStateListener(this.#follow);
    clearTimeout(this.#askAgain);
    this.#watch?.cancel();
  }

  readonly #follow = (): void => {
    if (this.child.getConnectivityState() === connectivityState.READY) {
      // gRPC begins the call in a microtask, and does not expect the connection to end before; nothing does from here.
      queueMicrotask(() => this.#begin());
    } else {
      this.#watch?.cancel();
      this.#watch = undefined;
      this.#use(true);
    }
  };

  /**
   * Asks on each new connection. Until there is an answer, and where there is none, the connection is used; what was said
   * last counts.
   */
  #begin(): void {
    if (this.#watch || !this.#inUse || this.child.getConnectivityState() !== connectivityState.READY) return;
    const { name, input, output, parent } = Health.method.watch;
    const channel = new Client("", credentials.createInsecure(), { channelOverride: this.child.getChannel() });
    const watch = channel.makeServerStreamRequest(
      `/${parent.typeName}/${name}`,
      (request: HealthCheckRequest) => Buffer.from(toBinary(input, request)),
      (bytes) => fromBinary(output, bytes),
      create(input, { service: this.#serviceName }),
    );
    this.#watch = watch;
    watch.on("data", (health: HealthCheckResponse) => {
      if (watch !== this.#watch || !this.#inUse) watch.cancel();
      else this.#use(health.status === ServingStatus.SERVING);
    });
    watch.on("error", () => {});
    watch.on("status", ({ code }) => {
      if (watch !== this.#watch || !this.#inUse) return;
      this.#watch = undefined;
      if (code !== status.UNIMPLEMENTED) this.#askAgain = setTimeout(this.#follow, ASK_AGAIN_MS).unref();
    });
  }

  #use(isUsed: boolean): void {
    if (isUsed) ending.delete(this.getRealSubchannel());
    else ending.add(this.getRealSubchannel());
    this.setHealthy(isUsed);
  }
}

experimental.registerLoadBalancerType(HEALTH_CHECKED_ROUND_ROBIN, HealthCheckedRoundRobin, Config);
