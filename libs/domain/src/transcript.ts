import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';
import type { Observation, Section } from './observation.ts';
import type { ResearchRequest } from './request.ts';
import type { ResearchEvent } from './run-state.ts';
import type { ModelUsage } from './usage.ts';

/**
 * What happened in a run as JSON Lines: the question with everything that was frozen when it was accepted, then each
 * event of the log in order. The same run gives the same bytes wherever and whenever it is replayed: no ids, no instants,
 * no durations. Page text is named by its snapshot and its place there. Cost O(length).
 */
export function transcriptOf(request: ResearchRequest, events: readonly ResearchEvent[]): string {
  // The caller's own, which no researcher sees.
  const { metadata, echo, ...question } = request;
  const lines = [{ kind: 'question', ...question, sources: saidOf(request) }, ...events.map(withoutTimes)];
  return lines.map((line) => `${canonicalJson(line)}\n`).join('');
}

/** Hex sha256 of a transcript's UTF-8 bytes: one name for everything that happened in a run. */
export function transcriptHash(transcript: string): string {
  return createHash('sha256').update(transcript, 'utf8').digest('hex');
}

/** A policy that names no providers is written as releases wrote it that knew none. */
function saidOf({ sources: { providers, ...sources } }: ResearchRequest): object {
  return providers.length === 0 ? sources : { ...sources, providers };
}

function withoutTimes(event: ResearchEvent): object {
  if (event.kind === 'model-replied') {
    const { at, reply, ...kept } = event;
    const { times, usage, ...said } = reply;
    return { ...kept, reply: { ...said, usage: tokensOf(usage) } };
  }
  if (event.kind !== 'tools-returned') return event;
  const { at, ...kept } = event;
  const outcomes = event.outcomes.map((outcome) => ({ ...outcome, observation: outlineOf(outcome.observation) }));
  return { ...kept, outcomes };
}

function outlineOf({ sections, sources, reading, ...others }: Observation): object {
  return {
    ...{ ...others, ...(reading === undefined ? {} : { reading: tokensOf(reading) }) },
    ...{ sections: sections.map(sectionOutline), sources: sources.map(({ fetchedAt, ...kept }) => kept) },
  };
}

function tokensOf({ gpuMs, ...tokens }: ModelUsage): object {
  return tokens;
}

function sectionOutline({ passages, fault, ...others }: Section): object {
  const places = passages.map(({ sha256, start, end }) => ({ sha256, start, end }));
  if (fault === undefined) return { ...others, passages: places };
  const { retryAfterMs, ...told } = fault;
  return { ...others, passages: places, fault: told };
}
