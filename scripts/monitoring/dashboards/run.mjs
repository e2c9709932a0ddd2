import { quantile, rate, spread } from '../promql.mjs';

/** Where does the time of runs go, and how do they end? */
export const run = {
  title: 'runs',
  panels: [
    { title: 'Wait for the beginning', unit: 's', queries: spread('argosy_run_start_wait_seconds') },
    { title: 'From beginning to end', unit: 's', queries: spread('argosy_run_duration_seconds') },
    {
      title: 'Ended',
      unit: 'cps',
      queries: { '{{status}}': rate('argosy_runs_ended_total{@}', 'status') },
    },
    { title: 'Steps', unit: 's', queries: spread('argosy_step_duration_seconds', 'kind') },
    {
      title: 'Steps a second',
      unit: 'cps',
      queries: { committed: rate('argosy_steps_committed_total{@}'), claims: rate('argosy_run_claims_total{@}') },
    },
    {
      title: 'Handed back',
      unit: 'cps',
      queries: {
        '{{reason}}': rate('argosy_run_hand_backs_total{@}', 'reason'),
        'refused commits': rate('argosy_commits_refused_total{@}'),
      },
    },
    {
      title: 'Model calls, 95 %',
      unit: 's',
      queries: { '{{model}}': quantile(0.95, 'argosy_model_call_duration_seconds', { by: 'model' }) },
    },
    {
      title: 'How model calls end',
      unit: 'cps',
      queries: { '{{outcome}}': rate('argosy_model_call_duration_seconds_count{@}', 'outcome') },
    },
    {
      title: 'Tokens of a step',
      queries: {
        '{{kind}}': `${rate('argosy_model_tokens_total{@}', 'kind')} / ignoring (kind) group_left () ${rate('argosy_steps_committed_total{@}')}`,
      },
    },
    {
      title: 'Prompts that lost their beginning',
      unit: 'cps',
      queries: { 'not append-only': rate('argosy_model_history_breaks_total{@}') },
    },
    {
      title: 'Homes of sessions',
      unit: 'cps',
      queries: { 'by {{by}}, left: {{left}}': `${rate('argosy_model_routes_total{@}', 'by, left')} > 0` },
    },
    { title: 'Rings', unit: 'cps', queries: { '{{bell}}': rate('argosy_rings_sent_total{@}', 'bell') } },
  ],
};
