import { type KeyResource, keyBody, parseInput, tenantScopes } from '#contracts';
import { InvalidInput } from '#errors';
import type { Config } from '#platform';
import { openOperator, parsePepper } from '#runs';
import { Client } from './client.ts';
import type { RemoteServer } from './connection.ts';
import { exitCodes, type Terminal } from './research.ts';
import { parseFlags } from './research-options.ts';

const flags = {
  tenant: { type: 'string' },
  name: { type: 'string' },
  scope: { type: 'string', multiple: true },
  expires: { type: 'string' },
  replace: { type: 'boolean' },
  // Heeded by whoever shows progress.
  quiet: { type: 'boolean' },
} as const;

/** A key that somebody wants; without scopes, those that whoever makes it gives by default. */
interface Wish {
  readonly name: string;
  readonly scopes?: readonly string[];
  readonly expires_at?: string;
  /** The tenant's other keys of this name are revoked. */
  readonly replace: boolean;
}

/** Where keys are made and revoked: a gateway for its own tenant, or the database itself. */
interface KeyPlace {
  create(wish: Wish): Promise<KeyResource & { readonly key: string }>;
  list(): Promise<readonly KeyResource[]>;
  revoke(id: string): Promise<KeyResource>;
  close(): Promise<void>;
}

/** @param server where to ask when no tenant is named @throws InvalidInput, Refused, Unavailable */
export async function keys(
  args: readonly string[],
  config: Config,
  server: () => Promise<RemoteServer | null>,
  terminal: Terminal,
): Promise<number> {
  const { values, positionals } = parseFlags(args, flags);
  const [action, id, ...more] = positionals;
  const isRevoke = action === 'revoke' && id !== undefined;
  if (more.length > 0 || !(isRevoke || (id === undefined && (action === 'create' || action === 'list')))) {
    throw new InvalidInput([{ path: 'keys', message: 'say create --name NAME, list or revoke ID' }]);
  }
  const wish = action === 'create' ? wishOf(values) : null;
  const place = values.tenant === undefined ? await remote(server) : await direct(config, values.tenant);
  try {
    if (wish !== null) tellNew(await place.create(wish), terminal);
    else if (isRevoke) terminal.print(`${lineOf(await place.revoke(id))}\n`);
    else for (const key of await place.list()) terminal.print(`${lineOf(key)}\n`);
    return exitCodes.ok;
  } finally {
    await place.close();
  }
}

/** Checks the log of what was done for a tenant. */
export async function audit(args: readonly string[], config: Config, { print }: Terminal): Promise<number> {
  const { values, positionals } = parseFlags(args, { tenant: { type: 'string' }, head: { type: 'string' } });
  const { tenant, head } = values;
  if (positionals.join(' ') !== 'verify' || tenant === undefined) {
    throw new InvalidInput([{ path: 'audit', message: 'say verify --tenant TENANT, and --head HASH for what it was' }]);
  }
  const operator = await openOperator(databaseOf(config));
  try {
    const log = await operator.verifyAudit(tenant, head);
    print(`sound: ${log.entries} entries, the last with hash ${log.hash || '(none)'}\n`);
    return exitCodes.ok;
  } finally {
    await operator.close();
  }
}

function wishOf(values: { name?: string; scope?: string[]; expires?: string; replace?: boolean }): Wish {
  const { name = '', scope, expires, replace = false } = values;
  const wish = {
    ...{ name, ...(scope === undefined ? {} : { scopes: scope }) },
    ...(expires === undefined ? {} : { expires_at: instantOf(expires, Date.now()) }),
  };
  parseInput(keyBody, wish);
  return { ...wish, replace };
}

const unitMs = { d: 86_400_000, h: 3_600_000 };

/** `90d`, `12h`, or an instant as it is. */
function instantOf(text: string, nowMs: number): string {
  const [, count, unit] = /^(\d{1,6})([dh])$/.exec(text) ?? [];
  if (count === undefined) return text;
  return new Date(nowMs + Number(count) * unitMs[unit as keyof typeof unitMs]).toISOString(); // what the pattern took
}

/** Alone on stdout, so that a script can take it. */
function tellNew({ key, ...made }: KeyResource & { readonly key: string }, { print, progress }: Terminal): void {
  progress.note(`${lineOf(made)}\nThe key is shown this once; whoever has it is let in.`);
  print(`${key}\n`);
}

function lineOf({ id, name, scopes, expires_at, revoked_at, last_used_at }: KeyResource): string {
  const until = expires_at === null ? 'does not expire' : `expires ${expires_at}`;
  const state = revoked_at === null ? until : `revoked ${revoked_at}`;
  return `${id}  ${name}  ${scopes.join(',')}  ${state}  ${last_used_at === null ? 'never used' : `used ${last_used_at}`}`;
}

async function remote(server: () => Promise<RemoteServer | null>): Promise<KeyPlace> {
  const found = await server();
  if (found === null) {
    const message =
      'there is no server to ask: set ARGOSY_URL and ARGOSY_API_KEY, or name a --tenant to work on ARGOSY_DATABASE_URL';
    throw new InvalidInput([{ path: 'keys', message }]);
  }
  const client = new Client(found.url, found.apiKey);
  return {
    create: async ({ replace, ...wish }) => {
      const made = await client.createKey(wish);
      const others = replace ? (await client.listKeys()).filter((key) => isNamesake(key, made)) : [];
      for (const { id } of others) await client.revokeKey(id);
      return made;
    },
    list: async () => await client.listKeys(),
    revoke: async (id) => await client.revokeKey(id),
    close: async () => undefined,
  };
}

function isNamesake(key: KeyResource, made: KeyResource): boolean {
  return key.name === made.name && key.id !== made.id && key.revoked_at === null;
}

/** Needs no key: whoever has the database and the pepper makes the first one. */
async function direct(config: Config, tenantId: string): Promise<KeyPlace> {
  if (!/^[a-z0-9][\w.-]{0,62}$/.test(tenantId)) {
    throw new InvalidInput([{ path: '--tenant', message: 'needs 1 to 63 of a-z, 0-9, dot, dash and underscore' }]);
  }
  const pepper = parsePepper(config.ARGOSY_KEY_PEPPER ?? '');
  const operator = await openOperator(databaseOf(config));
  const open = operator.keys({ pepper, env: config.ARGOSY_KEY_ENV });
  const by = { tenantId, actor: 'operator' };
  return {
    create: async ({ replace, name, scopes: named = tenantScopes, expires_at = null }) => {
      await open.ensureTenant(tenantId);
      const { key, text } = await open.create(by, { name, scopes: named, expiresAt: expires_at });
      if (replace) await open.revokeNamesakes(by, key);
      return { ...key, key: text };
    },
    list: async () => await open.list(tenantId, null, 1_000),
    revoke: async (id) => await open.revoke(by, id),
    close: async () => await operator.close(),
  };
}

/** @throws InvalidInput */
export function databaseOf({ ARGOSY_DATABASE_URL: url }: Config): string {
  if (url !== undefined) return url;
  const message = 'is required to work on the database of a fleet itself';
  throw new InvalidInput([{ path: 'ARGOSY_DATABASE_URL', message }]);
}
