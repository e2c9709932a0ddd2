/** docs/metrics.md: every metric, from the instruments that measure it. */

const opening = `<!-- Written by \`npm run gen\`, from the instruments in the sources. -->
# Metrics

Every role answers \`GET /metrics\` in Prometheus' text format: the gateway on its API port, the others on their health
port. \`argosy serve\` answers for all roles at once; a single \`argosy research\` measures nothing. How to scrape, what to
alert on and which dashboards there are says [operations](operations.md#metrics).

- **Labels are few.** Each takes the values that stand here, or names from an operator's settings, of which so many are told
  apart as stands here; any other value counts as \`other\`. No label holds an id, a tenant, a URL or a question. One metric has at
  most 200 series; what goes beyond them is counted together under \`otel_metric_overflow\`.
- **Units** stand at the end of the name: \`seconds\`, \`bytes\`, \`tokens\`, \`usd\`; a \`ratio\` is between 0 and 1. What has none of
  them is a number of things.
- **A counter stands at 0 from the start** where the values of its labels are known. A gauge that nobody can state is absent:
  never 0, and never old.
- **A histogram** has \`_bucket\`, \`_sum\` and \`_count\`.
`;

const titles = {
  '': 'Every process',
  'gateway dispatcher agent-worker tool-worker': 'Every process with stores',
  'dispatcher agent-worker tool-worker': 'Every process with stores and a lease',
  'coordinator adapter': 'Coordinators and adapters of inference groups',
  coordinator: 'Coordinators of inference groups',
  shard: 'Shards of inference groups',
};

/** Of sections: as a request travels. */
const order = [
  ...[
    '',
    'gateway dispatcher agent-worker tool-worker',
    'dispatcher agent-worker tool-worker',
    'gateway',
    'dispatcher',
    'agent-worker',
    'tool-worker',
  ],
  ...['egress', 'coordinator adapter', 'coordinator', 'shard', 'autoscaler'],
];

const units = ['seconds', 'bytes', 'tokens', 'usd', 'ratio'];

function unitOf(name) {
  const last = name
    .replace(/_total$/, '')
    .split('_')
    .at(-1);
  return units.includes(last) ? last : '';
}

function titleOf(key) {
  if (key in titles) return titles[key];
  const names = key.split(' ').map((role) => role.replace('-', ' '));
  const title = names.length === 1 ? names[0] : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
  return title[0].toUpperCase() + title.slice(1);
}

function labelText([label, values]) {
  const may = Array.isArray(values)
    ? values.map((value) => `\`${value}\``).join(', ')
    : `${values.of}, ${values.most} at most`;
  return `\`${label}\`: ${may}`;
}

function row({ name, kind, description, labels }) {
  const cells = [`\`${name}\``, kind, unitOf(name), description, Object.entries(labels).map(labelText).join('; ')];
  return `| ${cells.join(' | ')} |`;
}

/** @param {Awaited<ReturnType<typeof import('./instruments.mjs').readInstruments>>} instruments */
export function metricsPage(instruments) {
  const sections = Map.groupBy(instruments, ({ roles }) => roles.join(' '));
  const place = (key) => (order.includes(key) ? order.indexOf(key) : order.length);
  const parts = [...sections]
    .sort(([a], [b]) => place(a) - place(b) || (a < b ? -1 : 1))
    .map(([key, members]) => {
      const head = ['| metric | kind | unit | what it says | labels |', '|---|---|---|---|---|'];
      return [`## ${titleOf(key)}`, '', ...head, ...members.map(row), ''].join('\n');
    });
  return [opening, ...parts].join('\n');
}
