import { rate } from '../promql.mjs';

const hourly = (expr) => `3600 * ${expr}`;

/** What is spent, what for, and what holds it down. */
export const cost = {
  title: 'cost',
  panels: [
    {
      title: 'Spent an hour',
      description: 'By the prices of the settings; nothing where none are set.',
      unit: 'currencyUSD',
      queries: { '{{model}}: {{of}}': hourly(rate('argosy_spent_usd_total{@}', 'model, of')) },
    },
    {
      title: 'Spent for a run that ended',
      unit: 'currencyUSD',
      queries: { mean: `${rate('argosy_spent_usd_total{@}')} / ${rate('argosy_runs_ended_total{@}')}` },
    },
    {
      title: 'GPUs at work for runs',
      description: 'Where the settings say how the time of GPUs is counted.',
      queries: { '{{model}}': rate('argosy_gpu_seconds_total{@}', 'model') },
    },
    {
      title: 'Spent for a step',
      unit: 'currencyUSD',
      queries: { mean: `${rate('argosy_spent_usd_total{@}')} / ${rate('argosy_steps_committed_total{@}')}` },
    },
    {
      title: 'Tokens a second',
      queries: { '{{model}} {{kind}}': rate('argosy_model_tokens_total{@}', 'model, kind') },
    },
    {
      title: 'Prompt tokens that were cached',
      unit: 'percentunit',
      queries: {
        cached: `${rate('argosy_model_tokens_total{@,kind="cached"}')} / ${rate('argosy_model_tokens_total{@,kind="prompt"}')}`,
      },
    },
    {
      title: 'Looked up once, used again',
      unit: 'cps',
      queries: { 'not paid for again': rate('argosy_evidence_total{@,outcome=~"hit|waited"}') },
    },
    {
      title: 'Pools',
      queries: {
        '{{pool}}': 'max by (pool) (argosy_scale_target{@})',
        '{{pool}}, as the work asks for': 'max by (pool) (argosy_scale_wanted{@})',
      },
    },
    {
      title: 'Until a unit serves',
      unit: 's',
      queries: { '{{pool}}': 'max by (pool) (argosy_scale_lead_seconds{@})' },
    },
    {
      title: 'What the autoscaler does, and what holds it',
      queries: {
        '{{pool}} {{kind}}, each second': rate('argosy_scale_actions_total{@}', 'pool, kind'),
        '{{pool}}: {{alarm}}': 'max by (pool, alarm) (argosy_scale_alarm{@})',
        'have the lead': 'sum(argosy_scale_leader{@})',
      },
    },
  ],
};
