/** The inference groups that a configuration names, for whoever looks at them and asks them for no reply. */
import type { inference } from '#contracts/rpc';
import { messageOf, NotFound, Unavailable } from '#errors';
import type { Config } from '#platform';
import { configuredTls } from './configured.ts';
import { type ExpertMap, expertMapOf } from './expert-map.ts';
import { GrpcGroup, type GrpcTls } from './grpc-channel.ts';
import { isServiceError, rpcFault } from './grpc-faults.ts';
import { type ModelSpec, parseModelSpec } from './model-spec.ts';

/** How one group answered; one that did not has a `fault` in words. */
export type GroupLook = { readonly address: string } & (
  | {
      readonly fault: null;
      readonly info: inference.GetInfoResponse;
      readonly load: inference.WatchLoadResponse;
    }
  | { readonly fault: string }
);

/** A group that does not answer so soon is told as silent: somebody waits for the others. */
const usualLimitMs = 2_000;

/** Asks groups when somebody looks, and only then: nothing that it tells is older than the look. */
export class InferenceGroups {
  readonly #groups: ReadonlyMap<string, GrpcGroup>;
  readonly #limitMs: number;
  #looking: Promise<readonly GroupLook[]> | null = null;

  /** @param addresses `host:port` of each, all different @param tls null for plain text */
  constructor(addresses: readonly string[], tls: GrpcTls | null, limitMs = usualLimitMs) {
    this.#groups = new Map(addresses.map((address) => [address, new GrpcGroup(address, tls)]));
    this.#limitMs = limitMs;
  }

  /** All groups, in the order of the configuration. Those who look at the same time share one look. */
  async look(): Promise<readonly GroupLook[]> {
    this.#looking ??= Promise.all([...this.#groups].map(([address, group]) => this.#lookAt(address, group))).finally(
      () => {
        this.#looking = null;
      },
    );
    return await this.#looking;
  }

  /**
   * Where the experts of one group are.
   * @throws NotFound for an address that is none of the configuration's; Unavailable when the group does not answer
   */
  async experts(address: string): Promise<ExpertMap> {
    const group = this.#groups.get(address);
    if (group === undefined)
      throw new NotFound(`No model of this server is served by an inference group at ${address}.`);
    const signal = AbortSignal.timeout(this.#limitMs);
    try {
      return expertMapOf(await group.experts(signal));
    } catch (error) {
      throw new Unavailable(this.#wordsFor(error, address, signal), { cause: error });
    }
  }

  async close(): Promise<void> {
    for (const group of this.#groups.values()) group.close();
  }

  async #lookAt(address: string, group: GrpcGroup): Promise<GroupLook> {
    const signal = AbortSignal.timeout(this.#limitMs);
    try {
      const [info, load] = await Promise.all([group.info(signal), group.load(signal)]);
      return { address, fault: null, info, load };
    } catch (error) {
      return { address, fault: this.#wordsFor(error, address, signal) };
    }
  }

  #wordsFor(error: unknown, address: string, { aborted }: AbortSignal): string {
    if (aborted) return `The inference group at ${address} did not answer within ${this.#limitMs} ms.`;
    if (isServiceError(error)) return rpcFault(error, address).fault.message;
    return `The inference group at ${address} answers what cannot be read: ${messageOf(error)}`;
  }
}

type GroupsConfig = Parameters<typeof configuredTls>[0];

/**
 * The groups of the model that a configuration names, and of the one that was chosen for this process; none where these are
 * no groups. @throws InvalidInput for a file of TLS that cannot be read
 */
export async function configuredGroups(
  config: GroupsConfig & Pick<Config, 'ARGOSY_MODEL'>,
  chosen: ModelSpec | null = null,
): Promise<InferenceGroups> {
  const configured = config.ARGOSY_MODEL === undefined ? null : parseModelSpec(config.ARGOSY_MODEL);
  const addresses = [configured, chosen].flatMap((spec) => (spec?.kind === 'grpc' ? spec.addresses : []));
  return new InferenceGroups([...new Set(addresses)], addresses.length === 0 ? null : await configuredTls(config));
}
