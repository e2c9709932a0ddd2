/** Reads the object that a model gave for an output schema; whether it fits the schema is checked elsewhere. */
import type { DraftCitation, DraftOutput } from '#domain';
import { isRecord, kindOf } from './argument-faults.ts';
import { readJson } from './call-faults.ts';

const FORM = '{"output": <the object>, "citations": {"/field": [{"source": "s3", "quote": "verbatim quote"}]}}';

/** A code fence around the whole; models of all kinds put it there. */
const FENCED = /^```(?:json)?[ \t]*\r?\n([\s\S]*?)\r?\n?```$/;

/**
 * @param text JSON `{"output", "citations"}`, bare or in one code fence
 * @returns what it says, or a problem that tells its author how to mend it. Nothing is repaired
 */
export function readOutput(text: string): { readonly output: DraftOutput } | { readonly problem: string } {
  const trimmed = text.trim();
  const read = readJson(FENCED.exec(trimmed)?.[1] ?? trimmed);
  if ('fault' in read) return wrong(`It ${read.fault}`);
  if (!isRecord(read.value)) return wrong(`It must be one JSON object, but is ${kindOf(read.value)}.`);
  const { output, citations = {}, ...others } = read.value;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return wrong(`"${unknown}" has no place beside "output" and "citations".`);
  if (!isRecord(output)) return wrong(`"output" must be an object, but is ${kindOf(output)}.`);
  if (!isRecord(citations)) return wrong(`"citations" must be an object, but is ${kindOf(citations)}.`);
  const quoted: Record<string, readonly DraftCitation[]> = {};
  for (const [path, list] of Object.entries(citations)) {
    const quotes = Array.isArray(list) ? list.map(citationOf) : [];
    if (Array.isArray(list) && quotes.length === 0) continue;
    if (!path.startsWith('/') || quotes.length === 0 || quotes.includes(undefined)) {
      return wrong(`"citations" has an entry "${path}" that is not of this form.`);
    }
    quoted[path] = quotes.filter((quote) => quote !== undefined);
  }
  return { output: { value: output, citations: quoted } };
}

function citationOf(item: unknown): DraftCitation | undefined {
  if (!isRecord(item)) return undefined;
  const { source, quote } = item;
  return typeof source === 'string' && typeof quote === 'string' ? { source, quote } : undefined;
}

function wrong(why: string): { readonly problem: string } {
  return { problem: `${why} Reply with nothing but JSON of this form: ${FORM}` };
}
