import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { parseInput, reportSchema } from '#contracts';
import { InvalidInput, messageOf } from '#errors';

type Report = z.infer<typeof reportSchema>;

/** The first thing that is wrong with a report, or how much was checked. */
export type Verification =
  | { readonly sound: true; readonly claims: number; readonly citations: number; readonly snapshots: number }
  | { readonly sound: false; readonly fault: string };

/**
 * Checks a report folder offline: every snapshot against its sha256, every citation against its snapshot.
 * @throws InvalidInput when the folder holds no readable report
 */
export async function verifyFolder(folder: string): Promise<Verification> {
  const report = await readReport(folder);
  const texts = new Map<string, string>();
  for (const { id, sha256 } of report.sources) {
    const bytes = await readSnapshot(folder, sha256);
    const actual = bytes === null ? null : createHash('sha256').update(bytes).digest('hex');
    if (bytes === null || actual !== sha256) {
      const what = bytes === null ? 'is missing' : `was changed: its sha256 is ${actual}`;
      return { sound: false, fault: `${claimsOn(report, id)}: snapshot ${sha256} of source ${id} ${what}` };
    }
    texts.set(id, bytes.toString('utf8'));
  }
  const fault = firstBadCitation(report, texts);
  if (fault !== null) return { sound: false, fault };
  const citations = report.claims.reduce((sum, claim) => sum + claim.citations.length, 0);
  return { sound: true, claims: report.claims.length, citations, snapshots: texts.size };
}

async function readReport(folder: string): Promise<Report> {
  const path = join(folder, 'report.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const message = `cannot be read (${messageOf(cause)}); give the folder of one report, such as argosy-reports/run_...`;
    throw new InvalidInput([{ path, message }], { cause });
  }
  try {
    return parseInput(reportSchema, JSON.parse(text));
  } catch (cause) {
    throw new InvalidInput([{ path, message: `is not a report: ${messageOf(cause)}` }], { cause });
  }
}

async function readSnapshot(folder: string, sha256: string): Promise<Buffer | null> {
  try {
    return await readFile(join(folder, 'snapshots', `${sha256}.txt`));
  } catch {
    // Reported by the caller as a missing snapshot, with the claims that stood on it.
    return null;
  }
}

function firstBadCitation(report: Report, texts: ReadonlyMap<string, string>): string | null {
  for (const [index, claim] of report.claims.entries()) {
    if (claim.verdict === 'supported' && claim.citations.length === 0) {
      return `claim ${index + 1} ${excerpt(claim.text)} is called supported but cites nothing`;
    }
    for (const { source, start, end, quote } of claim.citations) {
      const text = texts.get(source);
      if (text === undefined) return `claim ${index + 1} ${excerpt(claim.text)} cites ${source}, which is no source`;
      if (text.slice(start, end) !== quote) {
        return `claim ${index + 1} ${excerpt(claim.text)}: its quote is not what stands at ${start}-${end} of ${source}`;
      }
    }
  }
  return null;
}

/** Names the claims that rest on a source. */
function claimsOn(report: Report, source: string): string {
  const resting = report.claims.flatMap((claim, index) =>
    claim.citations.some((citation) => citation.source === source) ? [`claim ${index + 1} ${excerpt(claim.text)}`] : [],
  );
  return resting.length === 0 ? `source ${source}, which no claim cites` : resting.join(', ');
}

function excerpt(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 57)}...` : line);
}
