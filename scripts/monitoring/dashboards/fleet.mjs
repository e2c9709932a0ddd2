import { mean, quantile, rate, spread } from '../promql.mjs';

/** Does the fleet keep its promises, and if not, which part of it? */
export const fleet = {
  title: 'fleet',
  panels: [
    {
      title: 'Promises: how fast their budgets burn',
      description:
        '1 spends in 30 days what may go wrong in 30 days. accept, start, progress, finish: docs/operations.md.',
      queries: { '{{slo}}, 1 h': 'max by (slo) (argosy:slo_burn:rate1h{@})' },
    },
    { title: 'Runs', queries: { '{{state}}': 'sum by (state) (argosy_runs{@})' } },
    {
      title: 'Oldest that waits',
      unit: 's',
      queries: {
        run: 'max(argosy_runs_oldest_wait_seconds{@})',
        'call of a tool': 'max(argosy_tool_calls_oldest_wait_seconds{@})',
      },
    },
    {
      title: 'Workers',
      queries: {
        '{{role}}': 'sum by (role) (argosy_workers{@})',
        '{{role}}: slots': 'sum by (role) (argosy_worker_slots{@})',
      },
    },
    {
      title: 'In flight',
      queries: { runs: 'sum(argosy_runs_in_flight{@})', 'calls of tools': 'sum(argosy_tool_calls_in_flight{@})' },
    },
    {
      title: 'Requests',
      unit: 'reqps',
      queries: { '{{status}}': rate('argosy_gateway_requests_total{@}', 'status') },
    },
    {
      title: 'Time to answer, 95 %',
      unit: 's',
      queries: { '{{route}}': quantile(0.95, 'argosy_gateway_request_duration_seconds', { by: 'route' }) },
    },
    {
      title: 'Refusals',
      unit: 'reqps',
      queries: { '{{code}}': `${rate('argosy_gateway_refusals_total{@}', 'code')} > 0` },
    },
    {
      title: 'Event streams',
      queries: {
        open: 'sum(argosy_gateway_event_streams{@})',
        'cut off, each second': rate('argosy_gateway_slow_clients_total{@}'),
      },
    },
    { title: 'Commits', unit: 's', queries: spread('argosy_commit_duration_seconds') },
    { title: 'Commits that share a statement', queries: { mean: mean('argosy_commit_batch_commits') } },
    {
      title: 'Faults of the stores',
      unit: 'cps',
      queries: {
        'database: {{class}}': rate('argosy_database_failures_total{@}', 'class'),
        'rings lost': rate('argosy_rings_lost_total{@}'),
        'leases lost': rate('argosy_leases_lost_total{@}'),
        'put back: {{kind}}': rate('argosy_put_back_total{@}', 'kind'),
      },
    },
    {
      title: 'Lateness of event loops, 99 %',
      unit: 's',
      queries: { '{{instance}}': 'max by (instance) (argosy_event_loop_delay_p99_seconds{@})' },
    },
    { title: 'Processors', queries: { '{{instance}}': rate('process_cpu_seconds_total{@}', 'instance') } },
    {
      title: 'Memory',
      unit: 'bytes',
      queries: { '{{instance}}': 'sum by (instance) (process_resident_memory_bytes{@})' },
    },
    {
      title: 'Processes',
      queries: { '{{role}} {{version}}': 'count by (role, version) (argosy_build_info{@})' },
    },
    {
      title: 'What an OTLP receiver is sent',
      unit: 'cps',
      queries: {
        'spans {{outcome}}': rate('argosy_spans_total{@}', 'outcome'),
        'reports {{outcome}}': rate('argosy_metric_reports_total{@}', 'outcome'),
      },
    },
    { title: 'Dispatchers with the duty', queries: { 'has the duty': 'sum(argosy_dispatcher_leader{@})' } },
    { title: 'Longest uptime', unit: 's', queries: { longest: 'max(argosy_process_uptime_seconds{@})' } },
  ],
};
