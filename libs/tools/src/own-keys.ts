import type { ToolFault } from '#domain';
import { Aborted, ArgosyError } from '#errors';
import { type Door, ProviderFault, type ProviderQuery, type SearchProvider } from './providers/provider.ts';

/** Where tenants' own keys at providers are. */
export interface SecretReader {
  /** The secret of this name; null where the tenant has none. @throws ArgosyError when nobody can say, or open it */
  read(tenantId: string, name: string): Promise<string | null>;
}

/** A provider as it is asked for one tenant. */
export interface Asking {
  readonly provider: SearchProvider;
  /** The tenant whose own key it is asked with; null: everyone's. */
  readonly owner: string | null;
}

/** Why it cannot be asked for this tenant. */
export interface Unasked {
  readonly fault: ToolFault;
  /** What only an operator can mend. */
  readonly tell?: string;
}

/**
 * With whose key a provider is asked for a tenant: its own where it has one, else the deployment's where that is for
 * everyone. A key that is there and cannot be opened is a fault: nobody pays for it in the tenant's place.
 * @throws Unavailable where nobody can say now; Aborted when the signal fires
 */
export async function askingFor(
  provider: SearchProvider,
  tenantId: string,
  secrets: SecretReader | undefined,
  signal: AbortSignal,
): Promise<Asking | Unasked> {
  const { name, own } = provider;
  if (own === undefined) return { provider, owner: null };
  const read = async (until: AbortSignal) => await within(until, secrets?.read(tenantId, own.secret) ?? nobodyHas);
  try {
    const key = await read(signal);
    if (key !== null) return { provider: withKeyOfNow(provider, own.with, key, read), owner: tenantId };
    if (!own.only) return { provider, owner: null };
    const message = `${name} is asked here with keys of tenants alone, and this run's has none: set the secret ${own.secret}.`;
    return { fault: { kind: 'blocked', message } };
  } catch (error) {
    if (!(error instanceof ArgosyError) || error.retryable || error instanceof Aborted) throw error;
    const message = `The key of this run's tenant for ${name} cannot be opened; the operator's log says why.`;
    return { fault: { kind: 'blocked', message }, tell: error.message };
  }
}

/** The key is looked at again when it is used: while the query waited for its turn, it may have been changed or deleted. */
function withKeyOfNow(
  { name }: SearchProvider,
  keyed: (key: string) => SearchProvider,
  key: string,
  read: (until: AbortSignal) => Promise<string | null>,
): SearchProvider {
  const search = async (wanted: ProviderQuery, door: Door) => {
    const now = await read(wanted.signal);
    if (now !== null) return await keyed(now).search(wanted, door);
    throw new ProviderFault('transient', `The tenant's key for ${name} was deleted while a query waited to be asked.`);
  };
  return { ...keyed(key), search };
}

const nobodyHas = Promise.resolve(null);

/** Ends the wait for what cannot be stopped itself. @throws Aborted */
async function within<T>(signal: AbortSignal, wanted: Promise<T>): Promise<T> {
  const ended = Promise.withResolvers<never>();
  const stop = () => ended.reject(new Aborted('Nobody waits for this key any more.', { cause: signal.reason }));
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([wanted, ended.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
