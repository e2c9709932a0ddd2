/** Requests, replies and observations as small as they can be. */
import { createHash } from 'node:crypto';
import type {
  AnswerPart,
  Limits,
  ModelReply,
  ModelUsage,
  Observation,
  PlacedCall,
  Report,
  ResearchEvent,
  ResearchRequest,
  SearchHit,
  ToolCall,
} from '#domain';
import { buildReport, usageOf } from '#domain';
import type { Acceptance } from '#runs';

export function limitsOf(changes: Partial<Limits> = {}): Limits {
  return {
    budget: { steps: 10 },
    contextTokens: null,
    replyTokens: 100,
    answerTokens: 200,
    observationTokens: 1_000,
    answerSeconds: 5,
    prices: null,
    ...changes,
  };
}

export function requestOf(changes: Partial<ResearchRequest> = {}): ResearchRequest {
  return {
    question: 'Why do locks expire?',
    mode: 'react',
    model: 'scripted',
    profile: 'tongyi-v1',
    degraded: [],
    sources: { corpora: [], web: false, urls: [], providers: [], allowDomains: [], denyDomains: [] },
    limits: limitsOf(),
    today: '2026-01-31',
    metadata: {},
    ...changes,
  };
}

export function acceptanceOf(tenantId: string, runId: string, changes: Partial<Acceptance> = {}): Acceptance {
  return { tenantId, runId, request: requestOf(), requestSha256: 'a'.repeat(64), ...changes };
}

export function usageOfCall(changes: Partial<ModelUsage> = {}): ModelUsage {
  return { promptTokens: 10, cachedTokens: 0, completionTokens: 5, ...changes };
}

export function replyOf(changes: Partial<ModelReply> = {}): ModelReply {
  return { text: '', calls: [], usage: usageOfCall(), ...changes };
}

/** The model asks for tools. */
export function asked(...calls: readonly ToolCall[]): Extract<ResearchEvent, { kind: 'model-replied' }> {
  return { kind: 'model-replied', reply: replyOf({ text: 'look it up', calls }), forced: null };
}

/** The model gives its answer. */
export function answered(...answer: readonly AnswerPart[]): Extract<ResearchEvent, { kind: 'model-replied' }> {
  return { kind: 'model-replied', reply: replyOf({ text: 'done', answer }), forced: null };
}

export function searchOf(query: string): ToolCall {
  return { tool: 'search', args: { query } };
}

export function placed(call: ToolCall, step: number, index = 0): PlacedCall {
  return { ...call, step, index };
}

export function sha256Of(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

/** One document that was found whole. */
export function observationOf(text: string, label = 'query'): Observation {
  const sha256 = sha256Of(text);
  const passage = { sha256, start: 0, end: text.length, text, headings: [], score: 1 };
  const bytes = Buffer.byteLength(text);
  const uri = `https://example.org/${sha256.slice(0, 8)}`;
  const source = { uri, title: 'A page', sha256, bytes, fetchedAt: '2026-01-31T00:00:00.000Z' };
  return { sections: [{ label, passages: [passage] }], sources: [source] };
}

/** A page that a search named. */
export function hitOf(url: string, changes: Partial<SearchHit> = {}): SearchHit {
  return { url, title: 'A page', snippet: 'Some words.', published: null, providers: ['searxng'], ...changes };
}

/** A search that named these pages and read none. */
export function hitsOf(label: string, ...urls: readonly string[]): Observation {
  return { sections: [{ label, passages: [], hits: urls.map((url) => hitOf(url)) }], sources: [] };
}

export function reportOf(runId: string, status: Report['status'] = 'completed'): Report {
  const ending = status === 'incomplete' ? { status, reason: 'max_steps' as const } : { status, message: 'it broke' };
  const spent = {
    modelCalls: 1,
    toolCalls: 0,
    promptTokens: 10,
    cachedTokens: 0,
    completionTokens: 5,
    nanoUsd: 0,
    feesNanoUsd: 0,
  };
  const verified = { answer: 'Because.', claims: [], removed: 0, fields: [], sources: [], faults: [] };
  const conclusion = { ending, output: null, outputFaults: [] };
  return buildReport({ ...requestOf(), runId }, verified, conclusion, usageOf(spent, 1, 2));
}
