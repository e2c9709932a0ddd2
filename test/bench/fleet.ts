import { bareInsert } from './fleet-bare.ts';
import { pickupRows } from './fleet-pickup.ts';
import { recoveryRows } from './fleet-recovery.ts';
import { type Stage, Stages } from './fleet-stage.ts';
import { type Controlled, type Driven, driveControl, driveRecorded, runCount, stepCount } from './fleet-steps.ts';
import { type Benchmark, percentile, type Row, round } from './result.ts';

/** Interleaved rounds of each kind; rows show their medians. */
const rounds = 3;
const stepMs = 200;

/** Statements that the ledger has under way at the same time. */
const connections = 1;

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
        'steps per second, saturated to a bare unnest insert of their rows': saturated.ratio,
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

async function saturationRow(stages: Stages, say: Say): Promise<{ row: Row; ratio: number }> {
  const all: Driven[] = [];
  const bare: number[] = [];
  for (let i = 1; i <= rounds; i++) {
    const then = async (stage: Stage): Promise<void> => void bare.push(await bareInsert(stage, connections));
    all.push(await driveRecorded(stages, { stepMs: 0, then }));
    say(`  round ${i}: ${Math.round(perSecond(all.at(-1)))} steps/s, bare ${Math.round(bare.at(-1) ?? 0)}`);
  }
  const steps = median(all.map(perSecond));
  const row = {
    what: 'saturation',
    stepsPerSecond: Math.round(steps),
    withClaimsAndEnds: medianOf(all, (driven) => (driven.steps * 1000) / driven.wallMs, 0),
    bareStepsPerSecond: Math.round(median(bare)),
    ...commitFigures(all),
    loopDelayP99Ms: medianOf(all, ({ loopP99Ms }) => loopP99Ms, 0),
    workerCpuSeconds: medianOf(all, ({ cpuSeconds }) => cpuSeconds),
  };
  return { row, ratio: round(steps / median(bare)) };
}

function perSecond(driven: Driven | undefined): number {
  return driven === undefined ? 0 : (0.8 * driven.steps * 1000) / driven.steadyMs;
}

/** At half of all replies every run is alive; then the garbage is collected and what is left is looked at. */
async function memoryRow(stages: Stages): Promise<Row> {
  const { weighed } = await driveRecorded(stages, { stepMs, weighAfter: (runCount * stepCount) / 2 });
  if (weighed === null) throw new Error('The worker did not weigh itself.');
  const { bytes, contextBytes, runs } = weighed;
  return {
    what: 'memory of a run: heap and external after garbage collection, at half of all steps',
    runs,
    contextKBPerRun: round(contextBytes / 1024 / runs, 1),
    beyondContextKBPerRun: round((bytes - contextBytes) / 1024 / runs, 1),
  };
}
