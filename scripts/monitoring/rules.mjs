/** helm/argosy/rules/argosy.yaml: recording rules and alerts, for Prometheus alone or by the chart. */
import { alerts } from './alerts.mjs';
import { burns, slos, windows } from './slos.mjs';

/** Matches every series, whether or not it has the label; the chart puts its own namespace in the place. */
const anyNamespace = 'namespace=~".*"';

/** Where the page of the runbook lies; the chart puts an address in its place. */
const runbook = 'docs/operations.md';

const head = `# Written by \`npm run gen\`. Rules for Prometheus, usable alone:
#   rule_files: [argosy.yaml]
# Where the series of several deployments meet, each has a label \`namespace\`. docs/operations.md says what to do about an
# alert; put the address where you keep that page before the \`#\` of \`runbook_url\`.
`;

const quoted = (text) => JSON.stringify(text);
const narrowed = (expr) => expr.replaceAll('@', anyNamespace);
const anchor = (alert) => alert.toLowerCase();

function recorded({ name, budget, expr }) {
  return windows.flatMap((window) => [
    `      - record: argosy:slo_burn:rate${window}`,
    `        expr: ${quoted(narrowed(`(${expr}) / ${budget}`).replaceAll('%w', window))}`,
    `        labels: { slo: ${name} }`,
  ]);
}

function alertLines({ alert, expr, severity, summary, for: lasting }) {
  return [
    `      - alert: ${alert}`,
    `        expr: ${quoted(narrowed(expr))}`,
    `        for: ${lasting}`,
    `        labels: { severity: ${severity} }`,
    '        annotations:',
    `          summary: ${quoted(summary)}`,
    `          runbook_url: ${quoted(`${runbook}#${anchor(alert)}`)}`,
  ];
}

function burnAlert({ alert, factor, long, short, spent, ...rest }) {
  const over = (window) => `argosy:slo_burn:rate${window}{@} > ${factor}`;
  const summary = `The promise {{ $labels.slo }} is being broken - ${spent} of what may go wrong in 30 days.`;
  return { alert, expr: `${over(long)} and ${over(short)}`, summary, ...rest };
}

const allAlerts = [...burns.map(burnAlert), ...alerts];

export function rulesFile() {
  const group = (name, lines) => [`  - name: ${name}`, '    rules:', ...lines];
  const lines = [
    'groups:',
    ...group(
      'argosy-promises',
      slos.flatMap(({ promise, ...slo }) => [`      # ${slo.name}: ${promise}.`, ...recorded(slo)]),
    ),
    ...group('argosy-alerts', allAlerts.flatMap(alertLines)),
  ];
  return `${head}${lines.join('\n')}\n`;
}
