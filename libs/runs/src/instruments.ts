import { toolKinds } from '#domain';
import { Instruments, longSecondsBoundaries } from '#platform';
import type { Bell } from './doorbell/doorbell.ts';

const withStores = new Instruments('gateway', 'dispatcher', 'agent-worker', 'tool-worker');
const agents = new Instruments('agent-worker');
const tools = new Instruments('tool-worker');

/** Runs that this process drives now. */
export const runsInFlight = agents.upDownCounter('argosy_runs_in_flight', 'Runs that this process drives now.');

export const runClaims = agents.counter('argosy_run_claims_total', 'Runs taken to be driven, each time anew.');

/** From the acceptance of a run to its first claim. */
export const startWait = agents.histogram(
  'argosy_run_start_wait_seconds',
  'How long a run waited from its acceptance until a worker began with it.',
  { boundaries: longSecondsBoundaries },
);

/** From the first claim of a run to its end. */
export const runDuration = agents.histogram(
  'argosy_run_duration_seconds',
  'How long a run took from its beginning to its end; of those that a worker ended.',
  { boundaries: [1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 43_200] },
);

/** Runs that came to an end, whoever ended them. */
export const runsEnded = new Instruments('gateway', 'dispatcher', 'agent-worker').counter(
  'argosy_runs_ended_total',
  'Runs that came to an end: by a worker, by the dispatcher where no worker survives them, or before they began.',
  { status: ['completed', 'incomplete', 'failed', 'cancelled'] },
);

export const handBacks = agents.counter(
  'argosy_run_hand_backs_total',
  'Runs given back unfinished: at a step boundary, in the middle of a step, after a fault, or because their model was busy.',
  { reason: ['boundary', 'step', 'fault', 'busy'] },
);

export const stepsCommitted = agents.counter('argosy_steps_committed_total', 'Steps of runs that were committed.');

export const refusedCommits = agents.counter(
  'argosy_commits_refused_total',
  'Commits refused by the fence: the run had another owner.',
);

export const commitBatch = agents.histogram('argosy_commit_batch_commits', 'Commits that shared a statement.', {
  boundaries: [1, 2, 5, 10, 20, 50, 100, 200, 500],
});

export const commitDuration = agents.histogram(
  'argosy_commit_duration_seconds',
  'How long the statement of a batch took.',
);

export const leasesLost = new Instruments('dispatcher', 'agent-worker', 'tool-worker').counter(
  'argosy_leases_lost_total',
  'Leases of this process that ran out against its will: the database was away for longer, or the process stood still.',
);

const callBells = toolKinds.map((kind) => `calls-${kind}` as const);

const bells = ['runs', 'calls', ...callBells, 'corpora'] as const satisfies Bell[];

export const ringsSent = withStores.counter('argosy_rings_sent_total', 'Rings of the doorbell.', { bell: bells });

export const ringsLost = withStores.counter(
  'argosy_rings_lost_total',
  'Rings that could not be sent: Redis was away. Work is late by that, and none is lost.',
  { bell: bells },
);

const failureClasses = ['connection', 'timeout', 'conflict', 'constraint', 'resources', 'other'] as const;

/** How a use of the database fails. */
export type FailureClass = (typeof failureClasses)[number];

export const databaseFailures = withStores.counter(
  'argosy_database_failures_total',
  'Failed uses of the PostgreSQL server; what may be tried again is.',
  { class: failureClasses },
);

export const turns = tools.counter(
  'argosy_turns_total',
  'Leave to ask a host or a provider: granted, or refused because it was busy, resting, or its quota used up.',
  { outcome: ['granted', 'busy', 'resting', 'quota'] },
);

export const evidenceGiven = tools.counter(
  'argosy_evidence_total',
  'Wants of a thing to look up: it was there, was waited for, was made, or its making failed.',
  { outcome: ['hit', 'waited', 'made', 'failed'] },
);

export const evidenceUnkept = tools.counter(
  'argosy_evidence_unkept_total',
  'Things that were made and not kept: too large, their claim was lost, or the database was away.',
);

/** Attempts at an object store. */
export const objectRequests = withStores.counter(
  'argosy_object_requests_total',
  'Requests to the object store: done, of an object that is not there, repeated after a fault that may pass, or given up.',
  { operation: ['put', 'get', 'remove'], outcome: ['done', 'missing', 'repeated', 'failed'] },
);
