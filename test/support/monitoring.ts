/** The rules and dashboards as they are given away, and the queries in them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

const chart = join(import.meta.dirname, '..', '..', 'helm', 'argosy');

export const rulesFile = join(chart, 'rules', 'argosy.yaml');

const ruleSchema = z.union([
  z.object({ record: z.string(), expr: z.string(), labels: z.record(z.string(), z.string()) }).strict(),
  z
    .object({
      alert: z.string(),
      expr: z.string(),
      for: z.string(),
      labels: z.object({ severity: z.enum(['critical', 'warning']) }),
      annotations: z.object({ summary: z.string(), runbook_url: z.string() }),
    })
    .strict(),
]);
export type Rule = z.infer<typeof ruleSchema>;

const rulesSchema = z.object({ groups: z.array(z.object({ name: z.string(), rules: z.array(ruleSchema) })) });

export function readRules(): Rule[] {
  return rulesSchema.parse(parse(readFileSync(rulesFile, 'utf8'))).groups.flatMap(({ rules }) => rules);
}

const dashboardSchema = z.object({
  uid: z.string(),
  title: z.string(),
  panels: z.array(
    z.object({
      id: z.number(),
      title: z.string(),
      gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
      targets: z.array(z.object({ refId: z.string(), expr: z.string(), legendFormat: z.string() })).nonempty(),
    }),
  ),
});
export type Dashboard = z.infer<typeof dashboardSchema>;

export function readDashboards(): ReadonlyMap<string, Dashboard> {
  const folder = join(chart, 'dashboards');
  return new Map(
    readdirSync(folder).map((file) => {
      return [file, dashboardSchema.parse(JSON.parse(readFileSync(join(folder, file), 'utf8')))] as const;
    }),
  );
}

/** A query as Grafana sends it, for all namespaces. */
export function asked(expr: string, window: string): string {
  return expr.replaceAll('$namespace', '.*').replaceAll('$__rate_interval', window);
}
