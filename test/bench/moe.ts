import { balanceRows } from './moe-balance.ts';
import { speedRows } from './moe-speed.ts';
import { transportRows } from './moe-transport.ts';
import type { Benchmark } from './result.ts';

/** What expert parallelism costs: the way to the shards, how evenly they are loaded, and what comes out per second. */
export const moe: Benchmark = async (say) => {
  const transport = await transportRows(say);
  say('balance: 48 layers of 128 experts');
  const balance = balanceRows();
  const speed = await speedRows(say);
  const layerAt = (way: string) =>
    Number(transport.find((row) => row['way'] === way && row['shards'] === 2 && row['tokens'] === 1)?.['layer_p50_ms']);
  return {
    params: {
      'target, unix, two shards, one token, ms': 0.6,
      hidden: 2048,
      'experts per token': 8,
      wire: 'bf16, reduced',
    },
    rows: [...transport, ...balance, ...speed],
    ratios: { 'one token, two shards: unix to in process': layerAt('unix') / layerAt('in process') },
  };
};
