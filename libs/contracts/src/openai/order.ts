import type { Problem } from '#errors';
import { faulty } from '../parse.ts';
import { type ResearchBody, researchBody } from '../research.ts';
import type { Asked, RawSources, Refused } from './asked.ts';

/** What a run is asked for, in the fields of `POST /v1/research` and not yet checked. */
export interface RawOrder {
  readonly asked: Asked | Refused;
  readonly sources: { readonly named: RawSources | null } | Refused;
  readonly model?: unknown;
  readonly budget: Readonly<Record<string, unknown>>;
  readonly citations?: unknown;
  readonly output_schema?: unknown;
  readonly metadata?: unknown;
}

/** Other names of fields. */
export type Names = Readonly<Record<string, string>>;

/** Checks it as the body of `POST /v1/research`. @throws InvalidInput listing every fault, by the names of the protocol */
export function toResearch(
  { asked, sources, ...fields }: RawOrder,
  names: Names,
): { readonly body: ResearchBody; readonly preface: string | undefined } {
  const problems = [asked, sources].flatMap((part) => ('problem' in part ? [part.problem] : []));
  const question = 'question' in asked ? asked.question : 'none was found';
  const named = 'named' in sources ? sources.named : null;
  const raw = { question, ...fields, ...(named === null ? {} : { sources: named }) };
  const parsed = researchBody.safeParse(raw);
  const faults = (parsed.error?.issues ?? []).map(({ path, message }) => ({ path: path.join('.'), message }));
  if (!parsed.success || problems.length > 0) throw faulty([...problems, ...faults.map(renaming(names))]);
  return { body: parsed.data, preface: 'preface' in asked ? asked.preface : undefined };
}

/** Tells of a fault in the words of the protocol that the request came by. */
export function renaming(names: Names): (problem: Problem) => Problem {
  return ({ path, message }) => {
    const name = Object.keys(names).find((known) => path === known || path.startsWith(`${known}.`));
    return { path: name === undefined ? path : `${names[name]}${path.slice(name.length)}`, message };
  };
}

/** The fields that have a value. */
export function given(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));
}

/** What the protocols and `POST /v1/research` call by one name. */
export function pick({ model, metadata, citations }: { model?: unknown; metadata?: unknown; citations?: unknown }) {
  return given({ model, metadata, citations });
}
