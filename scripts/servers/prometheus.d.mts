/** The Prometheus that tests have scrape a fleet; see prometheus.mjs. */
import type { PrivateServer } from './servers.mjs';

export function findPrometheus(): { readonly prometheus: string; readonly promtool: string } | undefined;
export function faultsOfRules(file: string): string | null;
export function faultsOfTests(file: string): string | null;
export function startPrometheus(options: {
  readonly targets: Readonly<Record<string, string>>;
  readonly rules: string;
}): Promise<PrivateServer>;
