import { dashboardFiles } from './dashboards.mjs';
import { readInstruments } from './instruments.mjs';
import { metricsPage } from './page.mjs';
import { rulesFile } from './rules.mjs';

/** @returns {Promise<Map<string, string>>} the committed files about metrics, by their paths */
export async function monitoringFiles() {
  return new Map([
    ['docs/metrics.md', metricsPage(await readInstruments())],
    ['helm/argosy/rules/argosy.yaml', rulesFile()],
    ...dashboardFiles(),
  ]);
}
