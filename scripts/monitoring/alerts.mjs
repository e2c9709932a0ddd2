/** What an operator is called for, beside budgets that burn. `@` stands for the selector of the namespace. */

const by = 'sum by (namespace)';

/** The share of `bad`, of which there may be none yet, among `all`, above which it is too much. */
function share(bad, all, most) {
  const whole = `${by} (rate(${all}[5m]))`;
  return `(${by} (rate(${bad}[5m])) or 0 * ${whole}) / ${whole} > ${most}`;
}

const rise = (series, span, most) => `${by} (increase(${series}[${span}])) > ${most}`;

const critical = 'critical';
const warning = 'warning';

export const alerts = [
  {
    alert: 'ArgosyHasNoDispatcher',
    expr: `${by} (argosy_dispatcher_leader{@}) != 1 or absent(argosy_dispatcher_leader{@})`,
    ...{ for: '1m', severity: critical },
    summary: 'No dispatcher, or more than one, has the duty - runs are accepted and not started.',
  },
  {
    alert: 'ArgosyRunsWait',
    expr: 'max by (namespace) (argosy_runs_oldest_wait_seconds{@}) > 300',
    ...{ for: '5m', severity: warning },
    summary: 'The oldest run waits for longer than it should.',
  },
  {
    alert: 'ArgosyCallsWait',
    expr: 'max by (namespace, kind) (argosy_tool_calls_oldest_wait_seconds{@}) > 60',
    ...{ for: '5m', severity: warning },
    summary: 'Calls of tools of the kind {{ $labels.kind }} wait for a tool worker.',
  },
  {
    alert: 'ArgosyNobodyTakesCalls',
    expr: 'max by (namespace, kind) (argosy_tool_calls{@,state="waiting"}) > 0 and max by (namespace, kind) (argosy_tool_workers{@}) == 0',
    ...{ for: '2m', severity: critical },
    summary: 'No living tool worker takes calls of the kind {{ $labels.kind }}, and some wait.',
  },
  {
    alert: 'ArgosyDatabaseFails',
    expr: `${by} (rate(argosy_database_failures_total{@,class=~"connection|timeout|resources"}[5m])) > 0.1`,
    ...{ for: '5m', severity: critical },
    summary: 'Postgres does not answer, or not in time - nothing is lost, and nothing moves.',
  },
  {
    alert: 'ArgosyCommitsSlowly',
    expr: 'histogram_quantile(0.95, sum by (namespace, le) (rate(argosy_commit_duration_seconds_bucket{@}[5m]))) > 1',
    ...{ for: '10m', severity: warning },
    summary: 'One commit in twenty takes longer than a second.',
  },
  {
    alert: 'ArgosyLosesRings',
    expr: rise('argosy_rings_lost_total{@}', '10m', 5),
    ...{ for: '5m', severity: warning },
    summary: 'Redis takes no rings - work is late, and none is lost.',
  },
  {
    alert: 'ArgosyLosesLeases',
    expr: rise('argosy_leases_lost_total{@}', '10m', 3),
    ...{ for: '5m', severity: warning },
    summary: 'Workers lose their leases - they stand still, or the database is slow.',
  },
  {
    alert: 'ArgosyRunsFaultInWorkers',
    expr: rise('argosy_run_hand_backs_total{@,reason="fault"}', '15m', 3),
    ...{ for: '5m', severity: warning },
    summary: 'Runs make their agent workers fail, which is a bug.',
  },
  {
    alert: 'ArgosyGatewayFails',
    expr: share('argosy_gateway_requests_total{@,status="5xx"}', 'argosy_gateway_requests_total{@}', 0.05),
    ...{ for: '5m', severity: critical },
    summary: 'More than one request in twenty ends with an error of ours.',
  },
  {
    alert: 'ArgosyProcessStandsStill',
    expr: 'max by (namespace) (argosy_event_loop_delay_max_seconds{@}) > 2',
    ...{ for: '5m', severity: warning },
    summary: 'The event loop of a process is held up for seconds, again and again.',
  },
  {
    alert: 'ArgosyModelFails',
    expr: share(
      'argosy_model_call_duration_seconds_count{@,outcome!~"replied|stopped|busy"}',
      'argosy_model_call_duration_seconds_count{@}',
      0.1,
    ),
    ...{ for: '10m', severity: warning },
    summary: 'More than one call of the model in ten fails after all its tries.',
  },
  {
    alert: 'ArgosyToolsFail',
    expr: share(
      'argosy_tool_call_duration_seconds_count{@,outcome=~"transient|quota"}',
      'argosy_tool_call_duration_seconds_count{@}',
      0.3,
    ),
    ...{ for: '15m', severity: warning },
    summary: 'More than three calls of tools in ten fail for reasons that may pass.',
  },
  {
    alert: 'ArgosyProviderRefuses',
    expr: 'sum by (namespace, provider) (increase(argosy_search_answers_total{@,outcome=~"blocked|invalid"}[15m])) > 5',
    ...{ for: '5m', severity: warning },
    summary: 'A search provider refuses what it is asked.',
  },
  {
    alert: 'ArgosyEgressFails',
    expr: share('argosy_egress_exchanges_total{@,outcome=~"failed|crowded"}', 'argosy_egress_exchanges_total{@}', 0.5),
    ...{ for: '15m', severity: warning },
    summary: 'More than half of what goes out through the egress proxy fails.',
  },
  {
    alert: 'ArgosyGroupRefuses',
    expr: rise('argosy_inference_refusals_total{@,code=~"no_room|sessions_full"}', '10m', 20),
    ...{ for: '10m', severity: warning },
    summary: 'Inference groups have no room for what is asked.',
  },
  {
    alert: 'ArgosyGroupFails',
    expr: share('argosy_inference_generations_total{@,reason="failed"}', 'argosy_inference_generations_total{@}', 0.3),
    ...{ for: '10m', severity: warning },
    summary: 'More than three replies of inference groups in ten come to nothing.',
  },
  {
    alert: 'ArgosyShardIsLost',
    expr: 'argosy_inference_shards{@,state="open"} < ignoring (state) argosy_inference_shards{@,state="all"}',
    ...{ for: '2m', severity: critical },
    summary: 'A group works without one of its shards.',
  },
  {
    alert: 'ArgosyShardsAreUneven',
    expr: 'argosy_inference_expert_balance_ratio{@} < 0.5',
    ...{ for: '30m', severity: warning },
    summary: 'The shards of a group are loaded unevenly - most wait for one.',
  },
  {
    alert: 'ArgosyTelemetryIsLost',
    expr: 'sum by (namespace) (increase(argosy_spans_total{@,outcome!="sent"}[15m])) > 100',
    ...{ for: '15m', severity: warning },
    summary: 'Spans do not reach the OTLP receiver - runs are not touched by that.',
  },
  {
    alert: 'ArgosyScalerHolds',
    expr: 'max by (namespace, pool, alarm) (argosy_scale_alarm{@}) > 0',
    ...{ for: '10m', severity: warning },
    summary: 'The autoscaler cannot size a pool as the work asks for.',
  },
];
