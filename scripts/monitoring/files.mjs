import { readInstruments } from './instruments.mjs';
import { metricsPage } from './page.mjs';

/** @returns {Promise<Map<string, string>>} the committed files that are made of the instruments, by their paths */
export async function monitoringFiles() {
  return new Map([['docs/metrics.md', metricsPage(await readInstruments())]]);
}
