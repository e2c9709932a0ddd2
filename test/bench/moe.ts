import { loadavg } from 'node:os';
import { balanceRows } from './moe-balance.ts';
import { speedRows } from './moe-speed.ts';
import { transportRows } from './moe-transport.ts';
import { type Benchmark, round } from './result.ts';

/** What expert parallelism costs: the way to the shards, how evenly they are loaded, and what comes out per second. */
export const moe: Benchmark = async (say) => {
  const [loadAtStart = 0] = loadavg();
  const transport = await transportRows(say);
  say('balance: 48 layers of 128 experts');
  const balance = balanceRows();
  const speed = await speedRows(say);
  const layerOf = (what: string, way: string) => {
    const is = { what, way, shards: 2, tokens: 1 };
    const row = transport.find((one) => Object.entries(is).every(([key, value]) => one[key] === value));
    return Number(row?.['layer_p50_ms']);
  };
  return {
    params: {
      'target, unix, two shards, one token, ms': 0.6,
      hidden: 2048,
      'experts per token': 8,
      wire: 'bf16, reduced',
      'load average at start': round(loadAtStart, 1),
    },
    rows: [...transport, ...balance, ...speed],
    ratios: {
      'one token, two shards, unix: a layer to bare streams': round(
        layerOf('transport', 'unix') / layerOf('bare stream', 'unix'),
      ),
      'one token, two shards: unix to in process': round(
        layerOf('transport', 'unix') / layerOf('transport', 'in process'),
      ),
    },
  };
};
