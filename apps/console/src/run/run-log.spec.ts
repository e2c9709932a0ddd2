import { beforeEach, describe, expect, it } from '@jest/globals';
import type { SentEvent } from '../api/sse.ts';
import { failed, subjectOf } from './rows.ts';
import { RunLog } from './run-log.ts';

const at = '2026-01-31T12:00:00.000Z';
let id = 0;
beforeEach(() => {
  id = 0;
});

function event(type: string, data: SentEvent['data'] = {}): SentEvent {
  id += 1;
  return { id, type, data: { ...data, at } };
}

const delta = (step: number, text: string): SentEvent => ({ id: null, type: 'delta', data: { step, text } });

function logOf(events: readonly SentEvent[]): RunLog {
  const log = new RunLog();
  for (const one of events) log.take(one);
  return log;
}

const call = { step: 0, index: 0, tool: 'search' };

function aRun(): SentEvent[] {
  return [
    event('run.accepted', { question: 'Why?' }),
    event('run.started'),
    event('step.started', { step: 0 }),
    event('model.completed', {
      ...{ step: 0, calls: 2, answered: false },
      usage: { promptTokens: 100, cachedTokens: 60, completionTokens: 10 },
    }),
    event('tool.started', { ...call, args: { query: ['leases', 'locks'] } }),
    event('tool.started', { ...call, index: 1, tool: 'visit', args: { url: ['https://e.org'] } }),
    event('tool.completed', {
      ...call,
      index: 1,
      tool: 'visit',
      passages: 2,
      hits: 0,
      sources: ['https://e.org'],
      faults: [],
    }),
    event('tool.completed', {
      ...{ ...call, passages: 0, hits: 0, sources: [] },
      faults: [{ label: 'leases', kind: 'timeout', message: 'gave no result' }],
    }),
    event('report.completed', { claims: 3, supported: 2, sources: 1 }),
    event('run.completed', { usage: {} }),
  ];
}

describe('a run folded from its events', () => {
  it('has a row for each step, each call and each event of the whole', () => {
    const { rows } = logOf(aRun());
    expect(rows.map(({ kind }) => kind)).toEqual(['note', 'note', 'step', 'call', 'call', 'note', 'note']);
  });

  it('completes a call in its own row, whichever of a step ends first', () => {
    const [search, visit] = logOf(aRun()).rows.filter((row) => row.kind === 'call');
    expect(search).toMatchObject({ index: 0, tool: 'search', passages: 0, endedAt: at });
    expect(visit).toMatchObject({ index: 1, tool: 'visit', passages: 2, sources: ['https://e.org'] });
    expect([search, visit].map((row) => row && subjectOf(row))).toEqual(['leases · locks', 'https://e.org']);
    expect([search, visit].map((row) => row && failed(row))).toEqual([true, false]);
  });

  it('counts what was used, and knows its sources, its state and its end', () => {
    const log = logOf(aRun());
    expect(log.used).toEqual({ steps: 1, calls: 2, promptTokens: 100, cachedTokens: 60, completionTokens: 10 });
    expect([...log.sources]).toEqual([['https://e.org', 0]]);
    expect([log.status, log.startedAt, log.endedAt, log.hasEnded]).toEqual(['completed', at, at, true]);
  });

  it('is the same when a reconnect tells some of it again', () => {
    const events = aRun();
    const again = logOf([...events.slice(0, 6), ...events.slice(2, 8), ...events]);
    expect(again.rows).toEqual(logOf(events).rows);
    expect(again.used).toEqual(logOf(events).used);
  });

  it('shows text as it is written, and from the beginning after a new connection', () => {
    const log = logOf([event('step.started', { step: 0 }), delta(0, 'I look '), delta(0, 'it up')]);
    expect(log.rows[0]).toMatchObject({ writing: 'I look it up' });
    log.forgetWriting();
    log.take(delta(0, 'I look it up.'));
    expect(log.rows[0]).toMatchObject({ writing: 'I look it up.' });
  });

  it('gives a row that changed a new identity, and leaves the others', () => {
    const events = aRun();
    const log = logOf(events.slice(0, 6));
    const before = [...log.rows];
    log.take(events[6] as SentEvent); // of ten
    expect(log.rows.map((row, index) => row === before[index])).toEqual([true, true, true, true, false]);
  });

  it('tells of waiting for the model until a step begins', () => {
    const log = logOf([event('run.started'), event('run.waiting', { seconds: 5 })]);
    expect([log.status, log.rows.at(-1)]).toMatchObject([
      'waiting',
      { tone: 'warn', text: expect.stringContaining('5 s') },
    ]);
    log.take(event('step.started', { step: 0 }));
    expect(log.status).toBe('running');
  });

  it('takes no harm of events that it does not know or that lack fields', () => {
    const log = logOf([event('run.dreamt'), event('tool.completed', {}), event('model.completed', { step: 7 })]);
    expect(log.rows).toEqual([]);
    expect(log.last).toBe(3);
  });
});
