import type { InferenceResource } from '#contracts';
import { InvalidInput } from '#errors';
import type { Connection } from './connection.ts';
import { exitCodes, type Terminal } from './research.ts';
import { parseFlags } from './research-options.ts';

type Group = InferenceResource['groups'][number];

/** How the inference groups of the server at hand stand. @returns the exit code @throws InvalidInput, Refused, Unavailable */
export async function groups(
  args: readonly string[],
  serverAtHand: () => Promise<Connection>,
  { print }: Terminal,
): Promise<number> {
  const { values, positionals } = parseFlags(args, { json: { type: 'boolean' } } as const);
  if (positionals.length > 0) throw new InvalidInput([{ path: 'inference groups', message: 'takes flags only' }]);
  const { client, close } = await serverAtHand();
  try {
    const told = await client.inferenceGroups();
    print(values.json === true ? `${JSON.stringify(told, null, 2)}\n` : textOf(told));
    return exitCodes.ok;
  } finally {
    await close();
  }
}

/** One line for each group, and one for what is wrong with it. */
export function textOf({ groups }: InferenceResource): string {
  if (groups.length === 0) return 'The model of this server is not served by inference groups.\n';
  return groups.map((group) => `${lineOf(group)}\n`).join('');
}

function lineOf({ address, fault, serves, load }: Group): string {
  if (serves === null || load === null) return `${address}  ${fault}`;
  const { running, waiting, kv_used_tokens: used, kv_total_tokens: total, balancedness } = load;
  const parts = [
    `${serves.model} (${serves.engine} ${serves.engine_version}${serves.shards > 1 ? `, ${serves.shards} shards` : ''})`,
    ...(load.draining ? ['draining'] : []),
    `${running ?? '?'} running`,
    `${waiting ?? '?'} waiting`,
    `KV ${shareOf(used, total)}`,
    `cached ${shareOf(load.cached_tokens, load.prompt_tokens)}`,
    ...(balancedness === null ? [] : [`experts ${Math.round(100 * balancedness)} % even`]),
  ];
  return `${address}  ${parts.join(', ')}`;
}

/** `?` where a part is not known, or there is no whole yet. */
function shareOf(part: number | null, whole: number | null): string {
  return part === null || whole === null || whole === 0 ? '?' : `${Math.round((100 * part) / whole)} %`;
}
