import {
  type PriceChange,
  type Report,
  type ResearchEvent,
  type ResearchRequest,
  renderMarkdown,
  transcriptOf,
} from '#domain';
import { InvalidState } from '#errors';
import { reportSchema } from '../report.ts';
import type { Files } from './tar.ts';

/** What the record knows of a run that has its report. */
export interface BundleContents {
  readonly report: Report;
  readonly request: ResearchRequest;
  readonly events: readonly ResearchEvent[];
  /** Model calls whose replies were lost with a worker: bought again, not charged. */
  readonly lost: { readonly modelCalls: number; readonly promptTokens: number };
  /** ISO 8601 instant of the run's end. */
  readonly endedAt: string;
  /** Texts by sha256, at least those of the report's sources. */
  readonly snapshots: ReadonlyMap<string, string>;
}

/** Where a bundle keeps the text with this sha256. */
export function snapshotPath(sha256: string): string {
  return `snapshots/${sha256}.txt`;
}

/** The sha256 that names a bundle's file, or null for one that is no snapshot. */
export function snapshotNameOf(path: string): string | null {
  return /^snapshots\/([0-9a-f]{64})\.txt$/.exec(path)?.[1] ?? null;
}

/** Written since reports are sealed, and never without a manifest. */
const sealedOnly: readonly string[] = ['manifest.sig', 'policy.json', 'transcript.jsonl', 'usage.json'];
const fixedPaths = new Set(['manifest.json', 'report.json', 'report.md', ...sealedOnly]);

/** True for the paths that a bundle consists of. */
export function isBundlePath(path: string): boolean {
  return fixedPaths.has(path) || snapshotNameOf(path) !== null;
}

/** True when some of the files are those of a sealed bundle, so that its manifest must be there, too. */
export function holdsSealedFiles(files: Files): boolean {
  return sealedOnly.some((path) => files.has(path));
}

/**
 * The files of a bundle, all but the seal, by path. @throws InvalidState when a cited text is no longer stored
 */
export function filesOf({ report, request, events, lost, snapshots }: BundleContents): Map<string, Uint8Array> {
  // Parsed for the order of its fields: a database keeps none.
  const shown = reportSchema.parse(report);
  const { prices, priceChanges = [] } = request.limits;
  const usage = {
    ...{ ...shown.usage, lost: publicNames(lost), prices: publicNames(prices) },
    ...(priceChanges.length === 0 ? {} : { price_changes: priceChanges.map(publicChange) }),
  };
  const texts: [string, string][] = [
    ['report.json', pretty(shown)],
    ['report.md', renderMarkdown(report)],
    ['transcript.jsonl', transcriptOf(request, events)],
    ['usage.json', pretty(usage)],
    ['policy.json', pretty(policyOf(request))],
    ...report.sources.map(({ sha256 }): [string, string] => {
      const text = snapshots.get(sha256);
      if (text === undefined) throw new InvalidState(`The cited snapshot ${sha256} is no longer stored.`);
      return [snapshotPath(sha256), text];
    }),
  ];
  const encoder = new TextEncoder();
  return new Map(texts.map(([path, text]) => [path, encoder.encode(text)]));
}

/** What the run was allowed: all that was frozen when it was accepted, but for what was asked and what is its caller's own. */
function policyOf({
  question: _q,
  preface: _p,
  metadata: _m,
  echo: _e,
  ...frozen
}: ResearchRequest): Record<string, unknown> | null {
  const { prices: _, priceChanges: _c, reading, ...bounds } = frozen.limits;
  const limits = { ...bounds, ...(reading === undefined ? {} : { reading: publicNames(reading) }) };
  const policy = { citations: 'mark', outputSchema: null, ...frozen };
  return publicNames({ ...policy, sources: publicNames(frozen.sources), limits: publicNames(limits) });
}

function publicChange({ from, prices, toolUsd = {} }: PriceChange): Record<string, unknown> {
  return { from, prices: publicNames(prices), tool_usd: toolUsd };
}

/** The same under names as users meet them: `contextTokens` becomes `context_tokens`. Null stays null. */
function publicNames(record: object | null): Record<string, unknown> | null {
  if (record === null) return null;
  const named = Object.entries(record).map(([name, value]): [string, unknown] => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return Object.fromEntries(named);
}

function pretty(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
