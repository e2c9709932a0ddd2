/** Each alert, played through by Prometheus' own tester: it fires when it should, and says so with its runbook. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { faultsOfTests, findPrometheus } from '../../scripts/servers/prometheus.mjs';
import { readRules, rulesFile } from '../support/monitoring.ts';

/** Values of series, `every` apart, in the notation of the tester: `0+5x60` grows 60 times by 5. */
type Series = Readonly<Record<string, string>>;

interface Case {
  readonly series: Series;
  /** Beside the severity. */
  readonly labels?: Readonly<Record<string, string>>;
  /** When it is looked at. */
  readonly at?: string;
  /** Between two values, and two evaluations of all rules: days of minutes would take minutes. */
  readonly every?: string;
}

const posts = (status: string): string =>
  `argosy_gateway_requests_total{method="POST",route="/v1/research",status="${status}"}`;
/** Requests of which one in so many fails. */
const oneIn = (n: number): Series => ({ [posts('5xx')]: '0+1x300', [posts('2xx')]: `0+${n - 1}x300` });
const accept = { slo: 'accept' };
const grows = '0+10x300';
const outcomes = (name: string, bad: string, good: string): Series => ({
  [`${name}{${bad}}`]: '0+9x300',
  [`${name}{${good}}`]: '0+1x300',
});

const firing: Readonly<Record<string, Case>> = {
  ArgosyBurnsFast: { series: oneIn(10), labels: accept, at: '90m' },
  ArgosyBurnsSteadily: { series: oneIn(150), labels: accept, at: '8h', every: '10m' },
  ArgosyBurnsSlowly: { series: oneIn(300), labels: accept, at: '2d', every: '30m' },
  ArgosyBurnsOn: { series: oneIn(900), labels: accept, at: '5d', every: '30m' },
  ArgosyHasNoDispatcher: { series: { 'argosy_dispatcher_leader{instance="a"}': '0x60' } },
  ArgosyRunsWait: { series: { argosy_runs_oldest_wait_seconds: '0+60x60' } },
  ArgosyCallsWait: {
    series: { 'argosy_tool_calls_oldest_wait_seconds{kind="visit"}': '0+60x60' },
    labels: { kind: 'visit' },
  },
  ArgosyNobodyTakesCalls: {
    series: {
      'argosy_tool_calls{kind="browser",state="waiting"}': '3x60',
      'argosy_tool_workers{kind="browser"}': '0x60',
    },
    labels: { kind: 'browser' },
  },
  ArgosyDatabaseFails: { series: { 'argosy_database_failures_total{class="timeout"}': grows } },
  ArgosyCommitsSlowly: {
    series: {
      'argosy_commit_duration_seconds_bucket{le="1"}': '0+1x300',
      'argosy_commit_duration_seconds_bucket{le="2.5"}': '0+9x300',
      'argosy_commit_duration_seconds_bucket{le="+Inf"}': '0+9x300',
    },
  },
  ArgosyLosesRings: { series: { 'argosy_rings_lost_total{bell="runs"}': grows } },
  ArgosyLosesLeases: { series: { argosy_leases_lost_total: grows } },
  ArgosyRunsFaultInWorkers: { series: { 'argosy_run_hand_backs_total{reason="fault"}': grows } },
  ArgosyGatewayFails: { series: oneIn(10) },
  ArgosyProcessStandsStill: { series: { argosy_event_loop_delay_max_seconds: '3x60' } },
  ArgosyModelFails: {
    series: outcomes('argosy_model_call_duration_seconds_count', 'outcome="transient"', 'outcome="replied"'),
  },
  ArgosyToolsFail: {
    series: outcomes('argosy_tool_call_duration_seconds_count', 'outcome="quota"', 'outcome="done"'),
  },
  ArgosyProviderRefuses: {
    series: { 'argosy_search_answers_total{provider="brave",outcome="blocked"}': grows },
    labels: { provider: 'brave' },
  },
  ArgosyEgressFails: { series: outcomes('argosy_egress_exchanges_total', 'outcome="failed"', 'outcome="done"') },
  ArgosyGroupRefuses: { series: { 'argosy_inference_refusals_total{code="no_room"}': grows } },
  ArgosyGroupFails: { series: outcomes('argosy_inference_generations_total', 'reason="failed"', 'reason="stop"') },
  ArgosyShardIsLost: {
    series: { 'argosy_inference_shards{state="open"}': '1x60', 'argosy_inference_shards{state="all"}': '2x60' },
  },
  ArgosyShardsAreUneven: { series: { argosy_inference_expert_balance_ratio: '0.3x60' } },
  ArgosyTelemetryIsLost: { series: { 'argosy_spans_total{outcome="full"}': '0+50x300' } },
  ArgosyScalerHolds: {
    series: { 'argosy_scale_alarm{pool="agents",alarm="at-max"}': '1x60' },
    labels: { pool: 'agents', alarm: 'at-max' },
  },
};

/** A fleet that is well, with the faults that every day has. */
const well: Series = {
  ...{ 'argosy_dispatcher_leader{instance="a"}': '1x300', 'argosy_dispatcher_leader{instance="b"}': '0x300' },
  ...oneIn(10_000),
  argosy_runs_oldest_wait_seconds: '20x300',
  ...{ 'argosy_tool_calls{kind="visit",state="waiting"}': '2x300', 'argosy_tool_workers{kind="visit"}': '2x300' },
  'argosy_run_start_wait_seconds_bucket{le="30"}': '0+999x300',
  argosy_run_start_wait_seconds_count: '0+1000x300',
  'argosy_runs_ended_total{status="failed"}': '0+1x300',
  'argosy_runs_ended_total{status="completed"}': '0+999x300',
  'argosy_runs_ended_total{status="cancelled"}': '0+500x300',
  'argosy_model_call_duration_seconds_count{outcome="busy"}': '0+90x300',
  'argosy_model_call_duration_seconds_count{outcome="replied"}': '0+10x300',
  'argosy_database_failures_total{class="conflict"}': '0+100x300',
  ...{ 'argosy_inference_shards{state="open"}': '2x300', 'argosy_inference_shards{state="all"}': '2x300' },
};

const alerts = readRules().flatMap((rule) => ('alert' in rule ? [rule] : []));

function inputOf(series: Series) {
  return Object.entries(series).map(([name, values]) => ({ series: name, values }));
}

/** Cases of one interval, one after the other or, which is quicker, with all their series at the same time. */
function played(interval: string, cases: Readonly<Record<string, Case>>) {
  return {
    interval,
    input_series: inputOf(Object.assign({}, ...Object.values(cases).map(({ series }) => series))),
    alert_rule_test: Object.entries(cases).map(([name, { labels = {}, at = '50m' }]) => {
      const { labels: own, annotations } = alerts.find(({ alert }) => alert === name) ?? {};
      const summary = annotations?.summary.replace(
        /\{\{ \$labels\.(\w+) \}\}/g,
        (_all, label: string) => labels[label] ?? '',
      );
      const fired = { exp_labels: { ...own, ...labels }, exp_annotations: { ...annotations, summary } };
      return { eval_time: at, alertname: name, exp_alerts: [fired] };
    }),
  };
}

/** Alerts look at what was recorded at the same time. */
const rules = { rule_files: [rulesFile], group_eval_order: ['argosy-promises', 'argosy-alerts'] };

const has = findPrometheus() !== undefined;
const reason = has ? '' : ' [needs promtool: apt-get install prometheus]';
const withPromtool = has ? it : it.skip;

describe('the alerts', () => {
  const folder = mkdtempSync(join(tmpdir(), 'argosy-alerts-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function faultsOf(tests: readonly { readonly interval: string }[]): string | null {
    const faults = [...Map.groupBy(tests, ({ interval }) => interval)].flatMap(([every, some]) => {
      const file = join(folder, `every-${every}.json`);
      writeFileSync(file, JSON.stringify({ ...rules, evaluation_interval: every, tests: some }));
      return faultsOfTests(file) ?? [];
    });
    return faults.length === 0 ? null : faults.join('\n');
  }

  withPromtool(
    `fire, each of them, for what they are for${reason}`,
    () => {
      expect(Object.keys(firing).sort()).toEqual(alerts.map(({ alert }) => alert).sort());
      const quick = Object.entries(firing).filter(([, { every }]) => every === undefined);
      const slow = Object.entries(firing).flatMap(([name, one]) => {
        return one.every === undefined ? [] : [played(one.every, { [name]: one })];
      });
      expect(faultsOf([played('1m', Object.fromEntries(quick)), ...slow])).toBeNull();
    },
    120_000,
  );

  withPromtool(
    `are silent while a fleet is well${reason}`,
    () => {
      const looks = (at: string) => alerts.map(({ alert }) => ({ eval_time: at, alertname: alert, exp_alerts: [] }));
      const input = { input_series: inputOf(well) };
      const tests = [
        { interval: '1m', ...input, alert_rule_test: looks('2h') },
        { interval: '30m', ...input, alert_rule_test: looks('5d') },
      ];
      expect(faultsOf(tests)).toBeNull();
    },
    120_000,
  );

  withPromtool(`know a fleet that is gone${reason}`, () => {
    expect(faultsOf([played('1m', { ArgosyHasNoDispatcher: { series: { up: '0x60' }, at: '10m' } })])).toBeNull();
  });
});
