import { bareInsert } from './fleet-bare.ts';
import { repliesOf } from './fleet-load.ts';
import { pickupRows } from './fleet-pickup.ts';
import { recoveryRows } from './fleet-recovery.ts';
import { type Stage, Stages } from './fleet-stage.ts';
import { type Controlled, type Driven, driveControl, driveRecorded, runCount, stepCount } from './fleet-steps.ts';
import { type Benchmark, percentile, type Row, round } from './result.ts';

/** Interleaved rounds of each kind; rows show their medians. */
const rounds = 3;
const stepMs = 200;

type Say = (line: string) => void;

/** What recording costs and how fast it is, how runs move on when a worker ends, and how soon a new one is begun. */
export const fleet: Benchmark = async (say) => {
  const stages = await Stages.open();
  try {
    say('2,000 runs with and without a record');
    const concurrent = await concurrentRows(stages, say);
    say('saturation');
    const saturated = await saturationRow(stages, say);
    say('memory');
    const memory = await memoryRow(stages);
    say('ends of workers');
    const recovery = await recoveryRows(stages, say);
    say('pick-up');
    const pickup = await pickupRows(stages, say);
    return {
      params: { runs: runCount, steps: stepCount, stepMs, rounds, fsync: 'on', aof: 'everysec' },
      rows: [...concurrent.rows, saturated.row, memory, ...recovery, ...pickup],
      ratios: {
        'wall, recorded to the same queue without a record': concurrent.toQueue,
        'wall, recorded to the loop alone': concurrent.toMemory,
        ...saturated.ratios,
      },
    };
  } finally {
    await stages.close();
  }
};

const median = (values: readonly number[]): number => percentile(values, 0.5);

function medianOf<T>(all: readonly T[], value: (one: T) => number, digits = 2): number {
  return round(median(all.map(value)), digits);
}

async function concurrentRows(stages: Stages, say: Say): Promise<{ rows: Row[]; toQueue: number; toMemory: number }> {
  const [recorded, queued, alone]: [Driven[], Controlled[], Controlled[]] = [[], [], []];
  for (let i = 1; i <= rounds; i++) {
    const [record, queue, memory] = [
      await driveRecorded(stages, { stepMs }),
      await driveControl(stages, 'queue', { stepMs }),
      await driveControl(stages, 'memory', { stepMs }),
    ];
    say(`  round ${i}: ${[record, queue, memory].map(({ wallMs }) => Math.round(wallMs)).join(', ')} ms`);
    recorded.push(record);
    queued.push(queue);
    alone.push(memory);
  }
  const wallOf = (all: readonly Controlled[]) => median(all.map(({ wallMs }) => wallMs));
  return {
    rows: [
      { ...controlRow('record', recorded), ...commitFigures(recorded) },
      controlRow('queue', queued),
      controlRow('memory', alone),
    ],
    toQueue: round(wallOf(recorded) / wallOf(queued)),
    toMemory: round(wallOf(recorded) / wallOf(alone)),
  };
}

function controlRow(sink: string, all: readonly Controlled[]): Row {
  return {
    what: '2,000 runs of 20 steps of 200 ms in one worker',
    sink,
    wallSeconds: medianOf(all, ({ wallMs }) => wallMs / 1000),
    loopDelayP99Ms: medianOf(all, ({ loopP99Ms }) => loopP99Ms, 0),
    loopDelayMostMs: medianOf(all, ({ loopMaxMs }) => loopMaxMs, 0),
    workerCpuSeconds: medianOf(all, ({ cpuSeconds }) => cpuSeconds),
    rssGrowthKBPerRun: medianOf(all, ({ rssGrowthBytes }) => rssGrowthBytes / 1024 / runCount, 0),
  };
}

function commitFigures(all: readonly Driven[]): Row {
  return {
    claimsSeconds: medianOf(all, ({ claimsMs }) => claimsMs / 1000),
    commitP50Ms: medianOf(all, ({ commitP50Ms }) => commitP50Ms, 0),
    commitP99Ms: medianOf(all, ({ commitP99Ms }) => commitP99Ms, 0),
    batchP50: medianOf(all, ({ batchP50 }) => batchP50, 0),
    statementsPerSecond: medianOf(all, ({ statements, wallMs }) => (statements * 1000) / wallMs, 1),
  };
}

/** Compared with one bare writer, as a ledger has one statement under way, and with two. */
async function saturationRow(
  stages: Stages,
  say: Say,
): Promise<{ row: Row; ratios: Readonly<Record<string, number>> }> {
  const all: Driven[] = [];
  const bare: { one: number; two: number }[] = [];
  for (let i = 1; i <= rounds; i++) {
    const then = async (stage: Stage): Promise<void> => {
      bare.push({ one: await bareInsert(stage, 1), two: await bareInsert(stage, 2) });
    };
    all.push(await driveRecorded(stages, { stepMs: 0, then }));
    const { one = 0, two = 0 } = bare.at(-1) ?? {};
    say(`  round ${i}: ${[perSecond(all.at(-1)), one, two].map(Math.round).join(', ')} steps/s`);
  }
  const steps = median(all.map(perSecond));
  const [one, two] = [median(bare.map((b) => b.one)), median(bare.map((b) => b.two))];
  const row = {
    what: 'saturation',
    stepsPerSecond: Math.round(steps),
    withClaimsAndEnds: medianOf(all, (driven) => (driven.steps * 1000) / driven.wallMs, 0),
    bareOnOneConnection: Math.round(one),
    bareOnTwoConnections: Math.round(two),
    ...commitFigures(all),
    loopDelayP99Ms: medianOf(all, ({ loopP99Ms }) => loopP99Ms, 0),
    workerCpuSeconds: medianOf(all, ({ cpuSeconds }) => cpuSeconds),
  };
  const ratios = {
    'steps per second, saturated to a bare unnest insert on one connection': round(steps / one),
    'steps per second, saturated to a bare unnest insert on two connections': round(steps / two),
  };
  return { row, ratios };
}

function perSecond(driven: Driven | undefined): number {
  return driven === undefined ? 0 : (0.8 * driven.steps * 1000) / driven.steadyMs;
}

/** After half of all replies every run is alive; then the garbage is collected and what is left is looked at. */
async function memoryRow(stages: Stages): Promise<Row> {
  const { weighed } = await driveRecorded(stages, { stepMs, weighAfter: (runCount * repliesOf(stepCount)) / 2 });
  if (weighed === null) throw new Error('The worker did not weigh itself.');
  const { bytes, contextBytes, runs } = weighed;
  return {
    what: 'memory of a run: heap and external after garbage collection, at half of all steps',
    runs,
    contextKBPerRun: round(contextBytes / 1024 / runs, 1),
    beyondContextKBPerRun: round((bytes - contextBytes) / 1024 / runs, 1),
  };
}
