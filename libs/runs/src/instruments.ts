import { counter, histogram, upDownCounter } from '#platform';
import type { Bell } from './doorbell/doorbell.ts';

/** Runs that this process drives now. */
export const runsInFlight = upDownCounter('argosy_runs_in_flight', 'Runs that this process drives now.');

export const runClaims = counter('argosy_run_claims_total', 'Runs taken to be driven, each time anew.');

export const handBacks = counter(
  'argosy_run_hand_backs_total',
  'Runs given back unfinished: at a step boundary, in the middle of a step, after a fault, or because their model was busy.',
  (['boundary', 'step', 'fault', 'busy'] as const).map((reason) => ({ reason })),
);

export const stepsCommitted = counter('argosy_steps_committed_total', 'Steps of runs that were committed.');

export const refusedCommits = counter(
  'argosy_commits_refused_total',
  'Commits refused by the fence: the run had another owner.',
);

export const commitBatch = histogram(
  'argosy_commit_batch_commits',
  'Commits that shared a statement.',
  [1, 2, 5, 10, 20, 50, 100, 200, 500],
);

export const commitDuration = histogram('argosy_commit_duration_seconds', 'How long the statement of a batch took.');

export const leasesLost = counter('argosy_leases_lost_total', 'Leases of this process that ran out against its will.');

const bells = (['runs', 'calls', 'corpora'] satisfies Bell[]).map((bell) => ({ bell }));

export const ringsSent = counter('argosy_rings_sent_total', 'Rings of the doorbell.', bells);

export const ringsLost = counter('argosy_rings_lost_total', 'Rings that could not be sent: Redis was away.', bells);

/** How a use of the database fails. */
export type FailureClass = 'connection' | 'timeout' | 'conflict' | 'constraint' | 'resources' | 'other';

export const databaseFailures = counter(
  'argosy_database_failures_total',
  'Failed uses of the PostgreSQL server; what may be tried again is.',
  (['connection', 'timeout', 'conflict', 'constraint', 'resources', 'other'] satisfies FailureClass[]).map((kind) => ({
    class: kind,
  })),
);

export const turns = counter(
  'argosy_turns_total',
  'Leave to ask a host or a provider: granted, or refused because it was busy, resting, or its quota used up.',
  (['granted', 'busy', 'resting', 'quota'] as const).map((outcome) => ({ outcome })),
);

export const evidenceGiven = counter(
  'argosy_evidence_total',
  'Wants of a thing to look up: it was there, was waited for, was made, or its making failed.',
  (['hit', 'waited', 'made', 'failed'] as const).map((outcome) => ({ outcome })),
);

export const evidenceUnkept = counter(
  'argosy_evidence_unkept_total',
  'Things that were made and not kept: too large, their claim was lost, or the database was away.',
);
