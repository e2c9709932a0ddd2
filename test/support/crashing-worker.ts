/**
 * One Argosy process in small: opens the data directory named by its argument, goes on with the run `crash/run-1`, and
 * leaves when it has ended. Says what it does on stdout, so that a test can kill it at any point of it.
 */
import { writeSync } from 'node:fs';
import {
  advance,
  announce,
  announceEnd,
  buildReport,
  type Command,
  type Observation,
  type ResearchEvent,
  replay,
  type ToolCall,
  usageOf,
} from '#domain';
import { type CallClaim, type CallResult, type Claim, DataDirectory, openEmbedded, type Runs, topics } from '#runs';
import { acceptanceOf, answered, asked, observationOf } from './research.ts';

/** What it says: a call begun, a call whose result is known, a step committed, the end. */
export type Saying = `begin ${string}` | `known ${string}` | `step ${number}` | 'ended';

/** Replies that ask for two calls each, before the answer. */
export const rounds = 5;

const say = (saying: Saying): number => writeSync(1, `${saying}\n`);
const never = new AbortController().signal;
const nameOf = ({ args }: ToolCall): string => String(args['goal']);

async function happen(runs: Runs, owner: Claim, command: Command, step: number): Promise<ResearchEvent> {
  if (command.kind === 'call-tools') {
    const outcomes = await runs.callTools(owner, command.calls, never);
    for (const { call } of outcomes ?? []) say(`known ${nameOf(call)}`);
    return { kind: 'tools-returned', outcomes: outcomes ?? [] };
  }
  if (command.kind === 'check') return { kind: 'answer-checked', supported: 0, faults: [] };
  const call = (place: string): ToolCall => ({ tool: 'visit', args: { goal: `${step}${place}`, url: 'u' } });
  return step < rounds ? asked(call('a'), call('b')) : answered();
}

async function drive(runs: Runs, owner: Claim): Promise<void> {
  let [state, command] = replay(owner.request, owner.log);
  for (let number = owner.log.length + 1; command.kind !== 'conclude'; number++) {
    const event = await happen(runs, owner, command, state.step);
    const answeredCalls = command.kind === 'call-tools' ? command.calls : [];
    [state, command] = advance(state, event, owner.request.limits);
    const committed = await runs.commit(owner, {
      step: { number, event, answered: answeredCalls },
      events: announce(event, state, command),
      intents: command.kind === 'call-tools' ? command.calls : [],
      spent: state.spent,
    });
    if (!committed.accepted) return;
    say(`step ${number}`);
  }
  const setting = { ...owner.request, runId: owner.runId };
  const verified = { answer: '', claims: [], removed: 0, fields: [], sources: [], faults: [] };
  const report = buildReport(setting, verified, command, usageOf(state.spent, state.step, 0));
  await runs.commit(owner, { events: announceEnd(report), outcome: { state: report.status, report } });
}

async function perform(call: CallClaim): Promise<CallResult> {
  say(`begin ${nameOf(call)}`);
  const observation: Observation = observationOf(nameOf(call));
  return { state: 'done', observation, snapshots: new Map() };
}

async function main(path: string): Promise<void> {
  const directory = DataDirectory.hold(path);
  const { runs, close } = await openEmbedded(directory, { leaseMs: 60_000, relookMs: 500, pollMs: 100 });
  await runs.accept(acceptanceOf('crash', 'run-1', { idempotencyKey: 'once' }));
  const agent = await runs.join({ workerId: `agent-${process.pid}`, role: 'agent-worker', slots: 2 });
  const tools = await runs.join({ workerId: `tools-${process.pid}`, role: 'tool-worker', slots: 2 });
  await runs.answerCalls(tools, { concurrency: 2 }, perform);
  await runs.answerRuns(agent, { concurrency: 1 }, (owner) => drive(runs, owner));
  let looking: Promise<unknown> = Promise.resolve();
  const look = (): void => {
    looking = looking.then(() => runs.reconcile()).then(() => runs.dispatch());
  };
  const timer = setInterval(look, 200);
  const unsubscribe = runs.bus.subscribe(topics.backlog, look);
  look();
  for await (const { type } of runs.events('crash', 'run-1', 0, never)) if (type === 'run.completed') break;
  clearInterval(timer);
  unsubscribe();
  await looking;
  await close();
  await directory.release();
  say('ended');
  process.exit();
}

// Imported, it only lends its names.
if (process.argv[1] === import.meta.filename) await main(process.argv[2] ?? '');
