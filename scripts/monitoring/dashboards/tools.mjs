import { quantile, rate } from '../promql.mjs';

/** Do tools answer, how fast, and what stands in their way? */
export const tools = {
  title: 'tools',
  panels: [
    {
      title: 'Calls, and who takes them',
      queries: {
        '{{kind}}: {{state}}': 'sum by (kind, state) (argosy_tool_calls{@})',
        '{{kind}}: workers': 'max by (kind) (argosy_tool_workers{@})',
      },
    },
    {
      title: 'Oldest that waits',
      unit: 's',
      queries: { '{{kind}}': 'max by (kind) (argosy_tool_calls_oldest_wait_seconds{@})' },
    },
    {
      title: 'Time of a call, 95 %',
      unit: 's',
      queries: { '{{tool}}': quantile(0.95, 'argosy_tool_call_duration_seconds', { by: 'tool' }) },
    },
    {
      title: 'How calls end',
      unit: 'cps',
      queries: { '{{tool}} {{outcome}}': rate('argosy_tool_call_duration_seconds_count{@}', 'tool, outcome') },
    },
    {
      title: 'Search providers',
      unit: 'cps',
      queries: { '{{provider}} {{outcome}}': rate('argosy_search_answers_total{@}', 'provider, outcome') },
    },
    {
      title: 'Turns at hosts and providers',
      unit: 'cps',
      queries: { '{{outcome}}': rate('argosy_turns_total{@}', 'outcome') },
    },
    {
      title: 'Evidence that was there already',
      unit: 'percentunit',
      queries: {
        shared: `${rate('argosy_evidence_total{@,outcome=~"hit|waited"}')} / ${rate('argosy_evidence_total{@}')}`,
      },
    },
    {
      title: 'Evidence',
      unit: 'cps',
      queries: {
        '{{outcome}}': rate('argosy_evidence_total{@}', 'outcome'),
        'not kept': rate('argosy_evidence_unkept_total{@}'),
      },
    },
    {
      title: 'Out through the egress proxy',
      unit: 'cps',
      queries: { '{{outcome}}': rate('argosy_egress_exchanges_total{@}', 'outcome') },
    },
    {
      title: 'Bytes through the egress proxy',
      unit: 'Bps',
      queries: { '{{direction}}': rate('argosy_egress_bytes_total{@}', 'direction') },
    },
  ],
};
