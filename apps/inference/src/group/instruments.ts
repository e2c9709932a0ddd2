import { Instruments, namesOf } from '#platform';

const coordinators = new Instruments('coordinator');

/** What went over the wire to shards and back. Kept as plain sums, for it is noted for every layer of every step. */
const hops = { answered: 0, computeSeconds: 0, waySeconds: 0, sentBytes: 0, receivedBytes: 0 };

coordinators
  .observedCounter('argosy_inference_hops_total', 'Batches of activations that shards in other processes answered.')
  .from(() => [{ value: hops.answered }]);
coordinators
  .observedCounter(
    'argosy_inference_hop_seconds_total',
    'Time until shards answered: what they computed for, and the way there and back, with all that waits on it.',
    { part: ['compute', 'way'] },
  )
  .from(() => [
    { value: hops.computeSeconds, labels: { part: 'compute' } },
    { value: hops.waySeconds, labels: { part: 'way' } },
  ]);
coordinators
  .observedCounter('argosy_inference_hop_bytes_total', 'Bytes of activations to shards, and of their answers.', {
    direction: ['sent', 'received'],
  })
  .from(() => [
    { value: hops.sentBytes, labels: { direction: 'sent' } },
    { value: hops.receivedBytes, labels: { direction: 'received' } },
  ]);

/** Notes an answer of a shard. */
export function hopped(hop: {
  readonly ms: number;
  readonly computeMs: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}): void {
  hops.answered += 1;
  hops.computeSeconds += hop.computeMs / 1000;
  hops.waySeconds += Math.max(0, hop.ms - hop.computeMs) / 1000;
  hops.sentBytes += hop.sentBytes;
  hops.receivedBytes += hop.receivedBytes;
}

const shards = coordinators.gauge('argosy_inference_shards', 'Shards of the group: those that are there, and all.', {
  state: ['open', 'all'],
});
const evenness = coordinators.gauge(
  'argosy_inference_expert_balance_ratio',
  'How evenly the shards were loaded of late: 1 when all had the same to do.',
);
const busiest = coordinators.gauge(
  'argosy_inference_expert_busiest_ratio',
  'Share of its layer of late that the busiest expert of all had.',
);
const placements = coordinators.observedCounter('argosy_inference_placements_total', 'Placements of experts so far.');
const tokens = coordinators.observedCounter(
  'argosy_inference_shard_answered_tokens_total',
  'Tokens that the experts of each shard have answered, each counted once for every expert; shards are numbered as in the settings.',
  { shard: namesOf('the number of a shard', 64) },
);

/** What a group can tell of itself. */
export interface Standing {
  readonly evenness: number;
  readonly planEpoch: number;
  readonly shards: { readonly open: number; readonly all: number };
  /** By the number of the shard. */
  readonly answeredTokens: ReadonlyMap<number, number>;
  /** Of late, [layers, experts]. */
  readonly demand: { readonly experts: number; readonly load: Float64Array };
}

/** States how the group stands whenever the metrics are read. @returns ends that */
export function stating(group: Standing): () => void {
  const ends = [
    shards.from(() => [
      { value: group.shards.open, labels: { state: 'open' } },
      { value: group.shards.all, labels: { state: 'all' } },
    ]),
    evenness.from(() => [{ value: group.evenness }]),
    busiest.from(() => busiestShare(group.demand).map((value) => ({ value }))),
    placements.from(() => [{ value: group.planEpoch }]),
    tokens.from(() => [...group.answeredTokens].map(([shard, value]) => ({ value, labels: { shard: `${shard}` } }))),
  ];
  return () => {
    for (const end of ends) end();
  };
}

/** Of every layer, the largest part that one expert has; the largest of these. @returns empty where nothing was asked yet */
function busiestShare({ experts, load }: Standing['demand']): number[] {
  let share = 0;
  for (let from = 0; from < load.length; from += experts) {
    const layer = load.subarray(from, from + experts);
    const sum = layer.reduce((all, one) => all + one, 0);
    if (sum > 0) share = Math.max(share, Math.max(...layer) / sum);
  }
  return share === 0 ? [] : [share];
}
