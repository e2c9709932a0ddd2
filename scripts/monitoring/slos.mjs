/**
 * What the service promises, as the share that may go wrong. `@` stands for the selector of the namespace, `%w` for the
 * window. Each expression is the share that did go wrong.
 */
const creating = '/v1/research|/v1/responses|/v1/chat/completions';
const posts = `argosy_gateway_requests_total{@,method="POST",route=~"${creating}"`;

const ratio = (bad, all) => `(${sum(bad)} or 0 * ${sum(all)}) / ${sum(all)}`;
const late = (name, seconds) => `1 - ${sum(`${name}_bucket{@,le="${seconds}"}`)} / ${sum(`${name}_count{@}`)}`;

function sum(series) {
  return `sum by (namespace) (rate(${series}[%w]))`;
}

export const slos = [
  {
    name: 'accept',
    budget: 0.001,
    promise: '99.9 % of requests that begin a run are answered, and not with an error of ours',
    expr: ratio(`${posts},status="5xx"}`, `${posts}}`),
  },
  {
    name: 'start',
    budget: 0.01,
    promise: '99 % of runs begin within 30 s of their acceptance',
    expr: late('argosy_run_start_wait_seconds', 30),
  },
  {
    name: 'progress',
    budget: 0.01,
    promise: '99 % of steps are committed within 300 s of their beginning',
    expr: late('argosy_step_duration_seconds', 300),
  },
  {
    name: 'finish',
    budget: 0.01,
    promise: '99 % of runs that nobody cancelled end with a report and do not fail',
    expr: ratio('argosy_runs_ended_total{@,status="failed"}', 'argosy_runs_ended_total{@,status!="cancelled"}'),
  },
];

export const windows = ['5m', '30m', '1h', '2h', '6h', '1d', '3d'];

/** How fast a budget of 30 days is spent: 1 spends it in 30 days. Source: Site Reliability Workbook, chapter 5. */
export const burns = [
  {
    alert: 'ArgosyBurnsFast',
    factor: 14.4,
    long: '1h',
    short: '5m',
    for: '2m',
    severity: 'critical',
    spent: '2 % in an hour',
  },
  {
    alert: 'ArgosyBurnsSteadily',
    factor: 6,
    long: '6h',
    short: '30m',
    for: '15m',
    severity: 'critical',
    spent: '5 % in six hours',
  },
  {
    alert: 'ArgosyBurnsSlowly',
    factor: 3,
    long: '1d',
    short: '2h',
    for: '1h',
    severity: 'warning',
    spent: '10 % in a day',
  },
  {
    alert: 'ArgosyBurnsOn',
    factor: 1,
    long: '3d',
    short: '6h',
    for: '3h',
    severity: 'warning',
    spent: '10 % in three days',
  },
];
