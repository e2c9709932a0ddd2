import { describe, expect, it } from '@jest/globals';
import { textOf } from './groups.ts';

const load = {
  ...{ running: 2, waiting: 0, resident_sessions: 3, draining: false, prefill_backlog_tokens: 0 },
  ...{ kv_used_tokens: 25, kv_total_tokens: 100, reserved_tokens: 50, prompt_tokens: 1_000, cached_tokens: 970 },
  ...{ balancedness: 0.984, plan_epoch: 1 },
};
const serves = { model: 'tongyi', engine: 'argosy-ep', engine_version: '0.1.0', context_tokens: 9, shards: 4 };

describe('argosy inference groups', () => {
  it('shows each group in a line, what is not known as such, and why one cannot be asked', () => {
    const unknown = { ...load, running: null, kv_total_tokens: null, prompt_tokens: 0, balancedness: null };
    const groups = [
      { address: 'a:1', fault: null, serves, load },
      { address: 'b:2', fault: null, serves: { ...serves, shards: 1 }, load: { ...unknown, draining: true } },
      { address: 'c:3', fault: 'No inference group answers at c:3.', serves: null, load: null },
    ];
    expect(textOf({ at: '2026-01-31T12:00:00.000Z', groups }).split('\n')).toEqual([
      'a:1  tongyi (argosy-ep 0.1.0, 4 shards), 2 running, 0 waiting, KV 25 %, cached 97 %, experts 98 % even',
      'b:2  tongyi (argosy-ep 0.1.0), draining, ? running, 0 waiting, KV ?, cached ?',
      'c:3  No inference group answers at c:3.',
      '',
    ]);
  });

  it('says so where there are none', () => {
    expect(textOf({ at: '2026-01-31T12:00:00.000Z', groups: [] })).toMatch(/not served by inference groups/);
  });
});
