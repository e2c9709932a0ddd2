import { mean, rate, spread } from '../promql.mjs';

const hopMs = (part) =>
  `1000 * ${rate(`argosy_inference_hop_seconds_total{@,part="${part}"}`)} / ${rate('argosy_inference_hops_total{@}')}`;

/** What do groups do with their time and memory, and what does it cost that experts are elsewhere? */
export const inference = {
  title: 'inference',
  panels: [
    { title: 'Replies', queries: { '{{state}}': 'sum by (state) (argosy_inference_generations{@})' } },
    { title: 'To the first token', unit: 's', queries: spread('argosy_inference_first_token_duration_seconds') },
    { title: 'Wait for a place', unit: 's', queries: spread('argosy_inference_queue_duration_seconds') },
    { title: 'To the last token', unit: 's', queries: spread('argosy_inference_generation_duration_seconds') },
    {
      title: 'Tokens a second',
      queries: { '{{kind}}': rate('argosy_inference_tokens_total{@}', 'kind') },
    },
    {
      title: 'Prompt tokens that were cached',
      unit: 'percentunit',
      queries: {
        cached: `${rate('argosy_inference_tokens_total{@,kind="cached"}')} / ${rate('argosy_inference_tokens_total{@,kind="prompt"}')}`,
      },
    },
    {
      title: 'Keys and values',
      queries: {
        '{{state}}': 'sum by (state) (argosy_inference_kv_tokens{@})',
        capacity: 'sum(argosy_inference_kv_capacity_tokens{@})',
        'prompts to be computed': 'sum(argosy_inference_prefill_backlog_tokens{@})',
      },
    },
    {
      title: 'Sessions, and replies that gave way',
      queries: {
        sessions: 'sum(argosy_inference_sessions{@})',
        'gave way, each second': rate('argosy_inference_preemptions_total{@}'),
      },
    },
    {
      title: 'How replies end',
      unit: 'cps',
      queries: {
        '{{reason}}': rate('argosy_inference_generations_total{@}', 'reason'),
        'refused: {{code}}': `${rate('argosy_inference_refusals_total{@}', 'code')} > 0`,
      },
    },
    {
      title: 'A step',
      queries: { replies: mean('argosy_inference_step_replies'), tokens: mean('argosy_inference_step_tokens') },
    },
    { title: 'Time of a step', unit: 's', queries: spread('argosy_inference_step_duration_seconds') },
    {
      title: 'Shards',
      queries: {
        '{{state}}': 'sum by (state) (argosy_inference_shards{@})',
        placements: 'max(argosy_inference_placements_total{@})',
        'newest that a shard knows': 'max(argosy_shard_placement{@})',
      },
    },
    {
      title: 'Balance',
      description: 'How evenly shards are loaded, and what share of its layer the busiest expert has.',
      unit: 'percentunit',
      queries: {
        '{{instance}}: even': 'argosy_inference_expert_balance_ratio{@}',
        '{{instance}}: busiest expert': 'argosy_inference_expert_busiest_ratio{@}',
      },
    },
    {
      title: 'Cost of a hop',
      description: 'Mean time of one batch of one layer to one shard and back.',
      unit: 'ms',
      queries: { computing: hopMs('compute'), 'on the way': hopMs('way') },
    },
    {
      title: 'Bytes to and from shards',
      unit: 'Bps',
      queries: { '{{direction}}': rate('argosy_inference_hop_bytes_total{@}', 'direction') },
    },
    {
      title: 'Tokens that experts saw, by shard',
      queries: {
        'answered by {{shard}}': rate('argosy_inference_shard_answered_tokens_total{@}', 'shard'),
        'seen by {{instance}}': rate('argosy_shard_tokens_total{@}', 'instance'),
      },
    },
    { title: 'Experts that shards hold', queries: { '{{instance}}': 'argosy_shard_experts{@}' } },
    { title: 'Batches of a shard', unit: 's', queries: spread('argosy_shard_batch_duration_seconds') },
    {
      title: 'Memory of shards',
      unit: 'bytes',
      queries: {
        'weights: {{instance}}': 'argosy_shard_resident_bytes{@}',
        'unanswered: {{instance}}': 'argosy_shard_unanswered_bytes{@}',
      },
    },
  ],
};
