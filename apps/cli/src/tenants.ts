import { InvalidInput } from '#errors';
import type { Config } from '#platform';
import { openOperator, type SettingChanges } from '#runs';
import { databaseOf } from './keys.ts';
import { exitCodes, type Terminal } from './research.ts';
import { parseFlags } from './research-options.ts';

const flags = {
  name: { type: 'string' },
  'retention-days': { type: 'string' },
  providers: { type: 'string' },
  'concurrent-runs': { type: 'string' },
  'requests-per-minute': { type: 'string' },
  'tokens-per-day': { type: 'string' },
  'usd-per-day': { type: 'string' },
  'trace-content': { type: 'string' },
  // Heeded by whoever shows progress.
  quiet: { type: 'boolean' },
} as const;

type Values = { readonly [K in keyof typeof flags]?: string | boolean };

/** What tenants may, for operators: works on the database itself. @throws InvalidInput, InvalidState, NotFound, Unavailable */
export async function tenants(args: readonly string[], config: Config, { print }: Terminal): Promise<number> {
  const { values, positionals } = parseFlags(args, flags);
  const [action = '', tenantId, ...more] = positionals;
  if (tenantId === undefined || more.length > 0 || !['create', 'show', 'set'].includes(action)) {
    throw new InvalidInput([{ path: 'tenants', message: 'say create ID, show ID or set ID' }]);
  }
  const changes = changesOf(values);
  const operator = await openOperator(databaseOf(config));
  try {
    const { tenants: all } = operator;
    if (action === 'create') await all.create({ tenantId, name: values.name ?? tenantId }, changes);
    if (action === 'set') await all.update(tenantId, changes);
    print(`${JSON.stringify(await all.get(tenantId), null, 2)}\n`);
    return exitCodes.ok;
  } finally {
    await operator.close();
  }
}

function changesOf(values: Values): SettingChanges {
  const limits = {
    ...numbered(values, 'concurrent-runs', 'concurrent_runs'),
    ...numbered(values, 'requests-per-minute', 'requests_per_minute'),
    ...numbered(values, 'tokens-per-day', 'tokens_per_day'),
    ...numbered(values, 'usd-per-day', 'usd_per_day'),
  };
  const { providers } = values;
  return {
    ...numbered(values, 'retention-days', 'retention_days'),
    ...(typeof providers === 'string' ? { providers: providers === 'all' ? null : listOf(providers) } : {}),
    ...switched(values['trace-content']),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  };
}

/** `none` is as the deployment has it. @throws InvalidInput */
function numbered<K extends string>(values: Values, flag: keyof Values, setting: K): { [_ in K]?: number | null } {
  const text = values[flag];
  if (typeof text !== 'string') return {};
  if (text !== 'none' && !/^\d+(\.\d+)?$/.test(text)) {
    throw new InvalidInput([{ path: `--${flag}`, message: 'needs a number, or none for what the deployment has' }]);
  }
  const value = text === 'none' ? null : Number(text);
  return { [setting]: value } as { [_ in K]?: number | null }; // one computed name
}

/** @throws InvalidInput */
function switched(text: string | boolean | undefined): Pick<SettingChanges, 'trace_content'> {
  if (typeof text !== 'string') return {};
  if (text === 'on' || text === 'off') return { trace_content: text === 'on' };
  throw new InvalidInput([{ path: '--trace-content', message: 'needs on or off' }]);
}

function listOf(text: string): string[] {
  return text === 'none' ? [] : text.split(',').map((name) => name.trim());
}
