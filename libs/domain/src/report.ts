import type { Spending } from './budget.ts';
import type { Claim, FieldProof, VerifiedAnswer } from './claims.ts';
import { toUsd } from './money.ts';
import type { Attribution, ReportSetting } from './request.ts';
import type { Conclusion, Ending } from './run-state.ts';

/** Terminal states of a run. */
export type TerminalStatus = Ending['status'];

/** The report as users get it (`report.json`); field names are the public ones. */
export interface Report {
  readonly schema_version: 1;
  readonly run_id: string;
  readonly question: string;
  readonly mode: 'react';
  readonly status: TerminalStatus;
  readonly model: string | null;
  readonly profile: string;
  readonly degraded: readonly string[];
  /** Markdown with `[n]` marks. */
  readonly answer: string;
  readonly claims: readonly Claim[];
  readonly sources: readonly ReportSource[];
  readonly usage: ReportUsage;
  readonly incomplete_details: null | { readonly reason: string; readonly message: string };
  /** Claims that were taken out of the answer because nothing proves them; only under the rule `strict`. */
  readonly removed_claims: number;
  /** The object that matches the request's output schema; null without one, and where `output_faults` says why not. */
  readonly output: unknown;
  /** Proofs of the fields of `output`. */
  readonly output_citations: readonly FieldProof[];
  readonly output_faults: readonly string[];
  /** Search providers that the run was helped by, with what they ask to be said of them. */
  readonly attributions: readonly Attribution[];
}

export interface ReportSource {
  readonly id: string;
  readonly uri: string;
  readonly title: string;
  readonly sha256: string;
  readonly fetched_at: string;
  readonly bytes: number;
}

export interface ReportUsage {
  readonly steps: number;
  readonly model_calls: number;
  readonly tool_calls: number;
  readonly prompt_tokens: number;
  readonly cached_tokens: number;
  readonly completion_tokens: number;
  readonly usd: number;
  readonly seconds: number;
}

/** Assembles the report of a finished run. */
export function buildReport(
  setting: ReportSetting,
  verified: VerifiedAnswer,
  conclusion: Pick<Conclusion, 'ending' | 'output' | 'outputFaults'>,
  usage: ReportUsage,
): Report {
  const { ending, output, outputFaults } = conclusion;
  return {
    schema_version: 1,
    run_id: setting.runId,
    question: setting.question,
    mode: setting.mode,
    status: ending.status,
    model: setting.model,
    profile: setting.profile,
    degraded: setting.degraded,
    answer: verified.answer,
    claims: verified.claims,
    sources: verified.sources.map(({ id, uri, title, sha256, bytes, fetchedAt }) => {
      return { id, uri, title, sha256, fetched_at: fetchedAt, bytes };
    }),
    usage,
    incomplete_details: incompleteDetails(ending, usage),
    removed_claims: verified.removed,
    output: output === null ? null : output.value,
    output_citations: verified.fields,
    output_faults: outputFaults,
    attributions: setting.attributions ?? [],
  };
}

/** The public form of what a run has spent; `seconds` is wall time since its first claim. */
export function usageOf(spent: Spending, steps: number, seconds: number): ReportUsage {
  return {
    steps,
    model_calls: spent.modelCalls + (spent.readings ?? 0),
    tool_calls: spent.toolCalls,
    prompt_tokens: spent.promptTokens,
    cached_tokens: spent.cachedTokens,
    completion_tokens: spent.completionTokens,
    usd: toUsd(spent.nanoUsd),
    seconds: Math.round(seconds * 1000) / 1000,
  };
}

function incompleteDetails(ending: Ending, usage: ReportUsage): Report['incomplete_details'] {
  switch (ending.status) {
    case 'completed':
      return null;
    case 'cancelled':
      return { reason: 'cancelled', message: 'The run was cancelled; this is what it had found.' };
    case 'failed':
      return { reason: 'failed', message: ending.message };
    case 'incomplete':
      return { reason: ending.reason, message: limitMessages[ending.reason](usage) };
  }
}

const limitMessages = {
  max_steps: (u: ReportUsage) =>
    `The step budget ended the research after ${u.steps} model replies; raise budget.steps.`,
  max_tokens: (u: ReportUsage) =>
    `The token budget ended the research after ${u.prompt_tokens + u.completion_tokens} tokens; raise budget.tokens.`,
  max_seconds: (u: ReportUsage) =>
    `The time budget ended the research after ${u.seconds} s; raise budget.seconds, or name a later deadline.`,
  max_usd: (u: ReportUsage) => `The money budget ended the research after ${u.usd.toFixed(4)} USD; raise budget.usd.`,
  max_output_tokens: (u: ReportUsage) =>
    `The budget of what the model may write ended the research after ${u.completion_tokens} tokens; raise budget.output_tokens.`,
  max_tool_calls: (u: ReportUsage) =>
    `The budget of tool calls ended the research after ${u.tool_calls} of them; raise budget.tool_calls.`,
  context: () => "The model's context window was full; the answer rests on what it had read by then.",
  no_progress: () => 'The research went in circles and was ended; the answer rests on what it had read by then.',
} as const;

/** The report as a markdown page: answer, sources, and what a reader must know about how it came to be. */
export function renderMarkdown(report: Report): string {
  const lines = [`# ${oneLine(report.question)}`, ''];
  const details = report.incomplete_details;
  if (details !== null) {
    const reason = details.reason === report.status ? '' : ` (${details.reason})`;
    lines.push(`**${report.status}**${reason}: ${details.message}`, '');
  }
  lines.push(report.answer.trim() === '' ? 'No answer was found.' : report.answer, '');
  if (report.removed_claims > 0)
    lines.push(`_Removed, since nothing read proves them: ${report.removed_claims} claims._`, '');
  lines.push(...outputSection(report));
  if (report.sources.length > 0) {
    lines.push('## Sources', '');
    for (const source of report.sources) {
      const mark = source.id.slice(1);
      lines.push(`[${mark}] ${oneLine(source.title)} — <${source.uri}> (sha256 ${source.sha256.slice(0, 12)})`, '');
    }
  }
  const quotes = quotations(report);
  if (quotes.length > 0) lines.push('## Quotations', '', ...quotes, '');
  lines.push(`---`, '', ...credits(report), footer(report), '');
  return lines.join('\n');
}

function outputSection({ output, output_faults }: Report): string[] {
  const faults = output_faults.map((fault) => `- ${oneLine(fault)}`);
  if (output !== null) return ['## Output', '', '```json', JSON.stringify(output, null, 2), '```', ''];
  return faults.length === 0
    ? []
    : ['## Output', '', 'No object that fits the schema could be had:', '', ...faults, ''];
}

/** Quotations of claims in a model's own words; a claim that is its own quotation needs no second printing. */
function quotations(report: Report): string[] {
  return report.claims.flatMap((claim) =>
    claim.citations
      .filter(({ quote }) => quote !== claim.text)
      .map(({ source, quote }) => `- ${oneLine(claim.text)}\n  [${source.slice(1)}] “${oneLine(quote)}”`),
  );
}

/** What a database keeps of a report of an earlier release has none. */
function credits({ attributions = [] }: Partial<Report>): string[] {
  const said = attributions.map(({ provider, text }) => `${oneLine(provider)} (${oneLine(text)})`);
  return said.length === 0 ? [] : [`Searched with ${said.join('; ')}`, ''];
}

function footer({ run_id, model, usage, degraded }: Report): string {
  const author = model === null ? 'no language model took part' : `written by ${model}`;
  const tokens = usage.prompt_tokens + usage.completion_tokens;
  const missing = degraded.length > 0 ? `; degraded: ${degraded.join(', ')}` : '';
  return `Run ${run_id}: ${author}; ${usage.steps} steps, ${usage.tool_calls} tool calls, ${tokens} tokens, ${usage.seconds} s${missing}.`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
