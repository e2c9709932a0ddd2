import { csvOf } from '#contracts';
import { InvalidInput } from '#errors';
import type { Config } from '#platform';
import { openOperator } from '#runs';
import type { Connection } from './connection.ts';
import { databaseOf } from './keys.ts';
import { exitCodes, type Terminal } from './research.ts';
import { parseFlags } from './research-options.ts';

const flags = {
  from: { type: 'string' },
  to: { type: 'string' },
  csv: { type: 'boolean' },
  'all-tenants': { type: 'boolean' },
  // Heeded by whoever shows progress.
  quiet: { type: 'boolean' },
} as const;

/** Days that are told where no first one is named, the last one included. */
const usualDays = 30;
const dayMs = 86_400_000;

/**
 * What runs have used and cost, by the day: those of the server at hand, or of all tenants of a database.
 * @returns the exit code. @throws InvalidInput, Refused, Unavailable
 */
export async function usage(
  args: readonly string[],
  config: Config,
  serverAtHand: () => Promise<Connection>,
  { print }: Terminal,
): Promise<number> {
  const { values, positionals } = parseFlags(args, flags);
  if (positionals.length > 0) throw new InvalidInput([{ path: 'usage', message: 'takes flags only' }]);
  const days = daysOf(values, Date.now());
  const rows = values['all-tenants'] === true ? await ofAllTenants(config, days) : await ofOne(serverAtHand, days);
  print(values.csv === true ? csvOf(Object.keys(rows[0] ?? {}), rows) : tableOf(rows));
  return exitCodes.ok;
}

interface Days {
  readonly from: string;
  readonly to: string;
}

/** @throws InvalidInput */
export function daysOf(values: { readonly from?: string; readonly to?: string }, nowMs: number): Days {
  const { to = dayOf(nowMs) } = values;
  for (const [path, day] of [['--from', values.from] as const, ['--to', to] as const]) {
    const known = day === undefined || (/^\d{4}-\d{2}-\d{2}$/.test(day) && !Number.isNaN(Date.parse(day)));
    if (!known) throw new InvalidInput([{ path, message: 'needs a day such as 2026-01-31 (UTC)' }]);
  }
  const { from = dayOf(Date.parse(to) - (usualDays - 1) * dayMs) } = values;
  if (from > to) throw new InvalidInput([{ path: '--to', message: 'lies before --from' }]);
  return { from, to };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

async function ofOne(serverAtHand: () => Promise<Connection>, days: Days): Promise<readonly object[]> {
  const connection = await serverAtHand();
  try {
    return await connection.client.usage(days);
  } finally {
    await connection.close();
  }
}

async function ofAllTenants(config: Config, { from, to }: Days): Promise<readonly object[]> {
  const operator = await openOperator(databaseOf(config));
  try {
    return await operator.usage(from, to);
  } finally {
    await operator.close();
  }
}

/** Rows of one shape in columns. */
export function tableOf(rows: readonly object[]): string {
  const [first] = rows;
  if (first === undefined) return 'Nothing was used on these days.\n';
  const lines = [Object.keys(first), ...rows.map((row) => Object.values(row).map((cell) => String(cell ?? '')))];
  const widthAt = (at: number): number => Math.max(...lines.map((cells) => cells[at]?.length ?? 0));
  const widths = Object.keys(first).map((_, at) => widthAt(at));
  const written = lines.map((cells) => cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  '));
  return written.map((line) => `${line.trimEnd()}\n`).join('');
}
