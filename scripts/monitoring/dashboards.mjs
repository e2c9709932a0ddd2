/** helm/argosy/dashboards/*.json: what Grafana shows. Panels are named here, and laid out in rows of three. */
import { cost } from './dashboards/cost.mjs';
import { fleet } from './dashboards/fleet.mjs';
import { inference } from './dashboards/inference.mjs';
import { run } from './dashboards/run.mjs';
import { tools } from './dashboards/tools.mjs';

const width = 8;
const height = 8;
// biome-ignore lint/suspicious/noTemplateCurlyInString: how Grafana names what the user chose
const datasource = { type: 'prometheus', uid: '${datasource}' };

/** `@` stands for the selector of the namespace that was chosen, `[]` for the time between the points of a graph. */
const filled = (expr) => expr.replaceAll('@', 'namespace=~"$namespace"').replaceAll('[]', '[$__rate_interval]');

function panelOf({ title, description, unit = 'short', queries }, index) {
  return {
    id: index + 1,
    type: 'timeseries',
    title,
    ...(description === undefined ? {} : { description }),
    datasource,
    gridPos: { x: (index % 3) * width, y: Math.floor(index / 3) * height, w: width, h: height },
    fieldConfig: { defaults: { unit, min: 0, custom: { fillOpacity: 10, showPoints: 'never' } }, overrides: [] },
    options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
    targets: Object.entries(queries).map(([legend, expr], at) => ({
      refId: String.fromCharCode(65 + at),
      expr: filled(expr),
      legendFormat: legend,
    })),
  };
}

const variables = [
  { name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Prometheus' },
  {
    name: 'namespace',
    type: 'query',
    label: 'Namespace',
    datasource,
    query: { query: 'label_values(argosy_build_info, namespace)', refId: 'namespace' },
    refresh: 2,
    includeAll: true,
    // Also what has no such label, outside Kubernetes.
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  },
];

const dashboardOf = ([name, { title, panels }]) => ({
  uid: `argosy-${name}`,
  title: `Argosy: ${title}`,
  tags: ['argosy'],
  schemaVersion: 39,
  editable: true,
  refresh: '30s',
  time: { from: 'now-1h', to: 'now' },
  templating: { list: variables },
  links: [{ type: 'dashboards', tags: ['argosy'], title: 'Argosy', asDropdown: true }],
  panels: panels.map(panelOf),
});

/** @returns {Map<string, string>} by path */
export function dashboardFiles() {
  return new Map(
    Object.entries({ fleet, run, inference, tools, cost }).map((entry) => [
      `helm/argosy/dashboards/${entry[0]}.json`,
      `${JSON.stringify(dashboardOf(entry), null, 2)}\n`,
    ]),
  );
}
