import { describe, expect, it } from '@jest/globals';
import { acceptanceOf } from '../../../test/support/research.ts';
import { type Delta, DeltaWriter, followDeltas } from './deltas.ts';
import { describeStores } from './store/stores.contract.ts';

describeStores((stores) => {
  let made = 0;

  /** A run of its own in the hands of a worker, and its writer for a step. */
  function writing() {
    made += 1;
    const { request } = acceptanceOf('acme', `run-${made}`);
    const owner = { tenantId: 'acme', runId: `run-${made}`, workerId: 'w', epoch: 1, request, log: [] };
    const claim = {
      ...owner,
      startedMs: 0,
      elapsedSeconds: 0,
      cancelRequested: false,
      hopeless: null,
      traceparent: '',
    };
    const writer = (step: number, epoch = 1) => new DeltaWriter(stores(), { ...claim, epoch }, step);
    return { claim, writer };
  }

  /** Follows until some text was heard. */
  async function heard(run: { tenantId: string; runId: string }, text: string, begin: () => void = () => undefined) {
    const deltas: Delta[] = [];
    const enough = Promise.withResolvers<void>();
    const stop = followDeltas(stores(), run, (delta) => {
      deltas.push(delta);
      if (
        deltas
          .map((one) => one.text)
          .join('')
          .includes(text)
      )
        enough.resolve();
    });
    begin();
    await enough.promise;
    stop();
    return deltas;
  }

  /** Waits until a tail answers and holds so many deltas. What is appended before it first answers may be lost. */
  async function kept(run: { tenantId: string; runId: string }, count: number): Promise<void> {
    const recent = async () => await stores().tail.recent(`delta ${run.tenantId} ${run.runId}`);
    while (((await recent().catch(() => null))?.length ?? -1) < count) await new Promise(setImmediate);
  }

  describe('deltas', () => {
    it('reach whoever follows, gathered and in order', async () => {
      const { claim, writer } = writing();
      const deltas = await heard(claim, 'one two three', () => {
        const first = writer(0);
        for (const text of ['one', ' ', 'two', ' three']) first.write(text);
        first.end();
      });
      expect(deltas.map(({ text }) => text)).toEqual(['one two three']);
    });

    it('begin with what was written of the step before one followed, each piece once', async () => {
      const { claim, writer } = writing();
      const [before, now] = [writer(0), writer(1)];
      await kept(claim, 0);
      for (const [one, text] of [
        [before, 'an earlier step'],
        [now, 'a'],
        [now, 'b'],
      ] as const) {
        one.write(text);
        one.end();
      }
      await kept(claim, 3);
      const deltas = await heard(claim, 'abc', () => {
        now.write('c');
        now.end();
      });
      expect(deltas.map(({ text }) => text)).toEqual(['a', 'b', 'c']);
    });

    it('of a superseded owner are not shown any more', async () => {
      const { claim, writer } = writing();
      const [zombie, heir] = [writer(3, 1), writer(2, 2)];
      const deltas = await heard(claim, 'end', () => {
        for (const [one, text] of [
          [heir, 'new'],
          [zombie, 'late'],
          [heir, 'end'],
        ] as const) {
          one.write(text);
          one.end();
        }
      });
      expect(deltas.map(({ text }) => text)).toEqual(['new', 'end']);
    });
  });
});
