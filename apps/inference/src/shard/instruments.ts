import { Instruments } from '#platform';

const shards = new Instruments('shard');

const experts = shards.gauge('argosy_shard_experts', 'Experts that the shard holds.');
const residentBytes = shards.gauge('argosy_shard_resident_bytes', 'Memory of the weights that it holds.');
const unanswered = shards.gauge('argosy_shard_unanswered_bytes', 'Bytes of batches that it has read and not answered.');
const tokens = shards.observedCounter(
  'argosy_shard_tokens_total',
  'Tokens that its experts have seen, each counted once for every expert.',
);
const placement = shards.gauge('argosy_shard_placement', 'Number of the newest placement that it knows.');
const batchDuration = shards.histogram(
  'argosy_shard_batch_duration_seconds',
  'How long a batch took from its last byte until its answer was computed.',
  { boundaries: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5] },
);

/** Notes a batch that was computed. */
export function computed(ms: number): void {
  batchDuration.record(ms / 1000);
}

/** What a shard can tell of itself. */
export interface Standing {
  readonly experts: {
    readonly count: number;
    readonly bytes: number;
    readonly planEpoch: number;
    tokensSeen(): Float64Array;
  };
  readonly unansweredBytes: number;
}

/** States how the shard stands whenever the metrics are read. @returns ends that */
export function stating(read: () => Standing): () => void {
  const ends = [
    experts.from(() => [{ value: read().experts.count }]),
    residentBytes.from(() => [{ value: read().experts.bytes }]),
    unanswered.from(() => [{ value: read().unansweredBytes }]),
    tokens.from(() => [
      {
        value: read()
          .experts.tokensSeen()
          .reduce((sum, one) => sum + one, 0),
      },
    ]),
    placement.from(() => [{ value: read().experts.planEpoch }]),
  ];
  return () => {
    for (const end of ends) end();
  };
}
