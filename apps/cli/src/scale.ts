import { InvalidInput } from '#errors';
import type { Config } from '#platform';
import { openOperator } from '#runs';
import { databaseOf } from './keys.ts';
import { exitCodes, type Terminal } from './research.ts';
import { parseFlags } from './research-options.ts';

const mostShown = 1_000;

/** Why pools are as large as they are, for operators: reads the database itself. @throws InvalidInput, Unavailable */
export async function scale(args: readonly string[], config: Config, { print }: Terminal): Promise<number> {
  const { values, positionals } = parseFlags(args, { last: { type: 'string' } });
  const [action = '', pool, ...more] = positionals;
  const last = Number(values.last ?? 20);
  if (action !== 'explain' || more.length > 0) {
    throw new InvalidInput([{ path: 'scale', message: 'say explain, or explain POOL, and --last N for how many' }]);
  }
  if (!Number.isInteger(last) || last < 1 || last > mostShown) {
    throw new InvalidInput([{ path: '--last', message: `needs a number from 1 to ${mostShown}` }]);
  }
  const operator = await openOperator(databaseOf(config));
  try {
    const { scaling } = operator;
    const shown = pool === undefined ? await scaling.pools() : await scaling.decisions(pool, last);
    for (const one of shown) if (!one.pool.startsWith('(')) print(`${lineOf(one.pool, one.atMs, one.decision)}\n`);
    if (shown.length === 0) print('No autoscaler has decided anything yet.\n');
    return exitCodes.ok;
  } finally {
    await operator.close();
  }
}

interface Told {
  readonly target?: number;
  readonly wanted?: number;
  readonly alarms?: readonly string[];
  readonly reasons?: readonly string[];
  readonly actions?: readonly { readonly kind: string; readonly unit?: string; readonly to?: number }[];
}

/** A decision in one line; what its release did not write is left out. */
export function lineOf(pool: string, atMs: number, decision: unknown): string {
  const { target, wanted, alarms = [], reasons = [], actions = [] } = (decision ?? {}) as Told; // of any release
  const done = actions.map(({ kind, unit, to }) => `${kind} ${unit ?? `to ${to}`}`);
  const parts = [
    `target ${target ?? '?'} (wanted ${wanted ?? '?'})`,
    ...done,
    ...alarms.map((alarm) => `ALARM ${alarm}`),
  ];
  return `${new Date(atMs).toISOString()}  ${pool}  ${parts.join(', ')}: ${reasons.join('; ')}`;
}
