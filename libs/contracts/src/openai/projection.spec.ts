import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Report } from '#domain';
import { reportOf } from '../../../../test/support/research.ts';
import { type ResponseEvent, type ResponseState, responseIdOf, runIdOf, tell, unopened } from './projection.ts';
import { responseResource } from './response.ts';
import type { LoggedEvent, ShownRun } from './shown.ts';

const run: ShownRun = {
  runId: 'run_00ff',
  acceptedAt: '2026-01-31T00:00:00.900Z',
  model: 'm',
  metadata: {},
  degraded: ['no_web_search'],
  web: true,
  hasSchema: false,
  echo: {
    form: 'responses',
    input: 'Why?',
    instructions: null,
    background: false,
    max_tool_calls: null,
    max_output_tokens: null,
    format: { type: 'text' },
    tools: [],
  },
};
const at = '2026-01-31T00:01:00.100Z';
const event = (type: LoggedEvent['type'], data: LoggedEvent['data'] = {}): LoggedEvent => ({ type, data, at });

/** Everything told of a log, and the response that it left. */
function project(log: readonly LoggedEvent[], report: Report | null, from: ResponseState = unopened(run)) {
  const told: ResponseEvent[] = [];
  let state = from;
  for (const entry of log) {
    const [next, events] = tell(state, entry, report);
    state = next;
    told.push(...events);
  }
  return { told, state, response: state.response };
}

const accepted = event('run.accepted');
const started = event('run.started');
const call = (index: number, tool: string, args: object) => event('tool.started', { step: 0, index, tool, args });
const result = (index: number, data: object) => event('tool.completed', { step: 0, index, faults: [], ...data });

const logs = fc
  .record({
    calls: fc.array(
      fc.record({
        tool: fc.constantFrom('search', 'visit', 'scholar', 'python', 'file'),
        args: fc.oneof(
          fc.record({ query: fc.oneof(fc.string(), fc.array(fc.string(), { maxLength: 3 })) }),
          fc.record({ url: fc.array(fc.webUrl(), { maxLength: 4 }) }),
          fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }),
        ),
        ends: fc.boolean(),
        passages: fc.nat(3),
        faults: fc.array(fc.record({ kind: fc.constantFrom('empty', 'transient'), label: fc.string() }), {
          maxLength: 2,
        }),
      }),
      { maxLength: 6 },
    ),
    noise: fc.array(fc.constantFrom('step.started', 'model.completed', 'budget.warning', 'answer.checked'), {
      maxLength: 3,
    }),
    end: fc.constantFrom('run.completed', 'run.incomplete', 'run.failed', 'run.cancelled'),
    answer: fc.oneof(fc.constant(''), fc.string({ unit: 'grapheme', maxLength: 300 })),
    hasReport: fc.boolean(),
  })
  .map(({ calls, noise, end, answer, hasReport }) => {
    const begun = calls.map(({ tool, args }, index) => call(index, tool, args));
    const ended = calls.flatMap(({ ends, ...data }, index) => (ends ? [result(index, data)] : []));
    const between = noise.map((type) => event(type as LoggedEvent['type'])); // one of the names above
    const log = [
      accepted,
      started,
      ...begun,
      ...between,
      ...ended,
      event('report.completed'),
      event(end as LoggedEvent['type']),
    ];
    return { log, report: hasReport ? { ...reportOf(run.runId), answer } : null };
  });

describe('the events of a response', () => {
  it('are numbered from 0 without gaps, whatever happens to the run', () => {
    fc.assert(
      fc.property(logs, ({ log, report }) => {
        const { told, response } = project(log, report);
        expect(told.map(({ sequence_number }) => sequence_number)).toEqual(told.map((_, index) => index));
        responseResource.strict().parse(response);
        expect(told.at(-1)).toMatchObject({ response });
      }),
    );
  });

  it('of the beginning of a log and those of its rest are those of the log, cut anywhere', () => {
    fc.assert(
      fc.property(logs, ({ log, report }) => {
        const whole = project(log, report);
        for (const cut of log.keys()) {
          // The report is there no earlier than the end of the log.
          const first = project(log.slice(0, cut), null);
          const rest = project(log.slice(cut), report, first.state);
          expect([...first.told, ...rest.told]).toEqual(whole.told);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('put together are the response: every item that was added is done once, in place', () => {
    fc.assert(
      fc.property(logs, ({ log, report }) => {
        const { told, response } = project(log, report);
        const of = (type: string) => told.filter((one) => one.type === type);
        const added = of('response.output_item.added');
        expect(added.map((one) => one['output_index'])).toEqual(response.output.map((_, index) => index));
        const done = of('response.output_item.done').toSorted(
          (a, b) => Number(a['output_index']) - Number(b['output_index']),
        );
        expect(done.map((one) => one['item'])).toEqual(response.output);
        expect(new Set(response.output.map(({ id }) => id)).size).toBe(response.output.length);
      }),
    );
  });
});

describe('a tool call', () => {
  it('of the web is a search with its sources, or a page for each address', () => {
    const { response } = project(
      [
        accepted,
        call(0, 'search', { query: ['a', 'b'] }),
        call(1, 'visit', { url: ['https://e.org/1', 'https://e.org/2'] }),
        result(0, { passages: 1, hits: 2, sources: ['https://e.org/3', 'corpus:x/y.md'] }),
        result(1, { passages: 1, faults: [{ label: 'https://e.org/2', kind: 'transient', message: 'gone' }] }),
      ],
      null,
    );
    expect(response.output).toEqual([
      {
        type: 'web_search_call',
        id: 'ws_00ff_0_0',
        status: 'completed',
        action: { type: 'search', query: 'a', queries: ['a', 'b'], sources: [{ type: 'url', url: 'https://e.org/3' }] },
      },
      {
        type: 'web_search_call',
        id: 'ws_00ff_0_1_0',
        status: 'completed',
        action: { type: 'open_page', url: 'https://e.org/1' },
      },
      {
        type: 'web_search_call',
        id: 'ws_00ff_0_1_1',
        status: 'failed',
        action: { type: 'open_page', url: 'https://e.org/2' },
      },
    ]);
  });

  it('that found nothing is completed, and failed where it could not look', () => {
    const of = (kind: string) =>
      project(
        [accepted, call(0, 'search', { query: 'a' }), result(0, { passages: 0, faults: [{ label: 'a', kind }] })],
        null,
      ).response.output[0]?.status;
    expect([of('empty'), of('quota')]).toEqual(['completed', 'failed']);
  });

  it('that was under way when the run ended is incomplete', () => {
    const { told, response } = project([accepted, call(0, 'search', {}), event('run.cancelled')], null);
    expect(response.output).toMatchObject([{ status: 'incomplete' }]);
    expect(told.slice(-2).map(({ type }) => type)).toEqual(['response.output_item.done', 'response.incomplete']);
  });
});

describe('the end of a response', () => {
  const endOf = (type: LoggedEvent['type'], report: Report | null, data: object = {}) =>
    project([accepted, { ...event(type), data: data as LoggedEvent['data'] }], report).response;
  const early = (reason: string): Report => ({
    ...reportOf(run.runId),
    incomplete_details: { reason, message: 'm' },
  });

  it('is dated where it is complete, by the log and not by the clock', () => {
    const completed = endOf('run.completed', reportOf(run.runId));
    expect(completed).toMatchObject({ status: 'completed', created_at: 1769817600, completed_at: 1769817660 });
    expect(endOf('run.incomplete', early('max_steps')).completed_at).toBeNull();
  });

  it.each([
    ['max_tokens', 'max_output_tokens'],
    ['max_output_tokens', 'max_output_tokens'],
    ['context', 'max_output_tokens'],
    ['max_seconds', 'max_seconds'],
    ['no_progress', 'no_progress'],
  ])('is told of %s as %s', (reason, told) => {
    expect(endOf('run.incomplete', early(reason))).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: told, message: 'm' },
    });
  });

  it('fails with the words of the run, also without a report', () => {
    expect(endOf('run.failed', early('failed')).error).toEqual({ code: 'server_error', message: 'm' });
    expect(endOf('run.failed', null, { message: 'lost' }).error).toEqual({ code: 'server_error', message: 'lost' });
  });

  it('says what the run went without', () => {
    const report = { ...reportOf(run.runId), degraded: ['no_llm'] };
    expect(endOf('run.completed', report).argosy).toEqual({ run_id: run.runId, degraded: ['no_llm'] });
    expect(endOf('run.failed', null).argosy.degraded).toEqual(['no_web_search']);
  });
});

it('has the id of its run, and no other id is one', () => {
  expect(responseIdOf('run_00ff')).toBe('resp_00ff');
  expect(runIdOf('resp_00ff')).toBe('run_00ff');
  for (const id of ['run_00ff', 'resp_', 'resp_xyz', 'resp_00ff\n', '']) expect(runIdOf(id)).toBeNull();
});

/** What clients of a past release were told, and what of. Never changed: they come back with its numbers. */
interface Golden {
  readonly run: ShownRun;
  readonly log: readonly LoggedEvent[];
  readonly report: Report;
  readonly events: readonly ResponseEvent[];
}

it('tells of a run what clients were told of it before', () => {
  const file = join(import.meta.dirname, 'golden', 'first-release.json');
  const golden = JSON.parse(readFileSync(file, 'utf8')) as Golden; // as this test describes it
  expect(project(golden.log, golden.report, unopened(golden.run)).told).toEqual(golden.events);
});
