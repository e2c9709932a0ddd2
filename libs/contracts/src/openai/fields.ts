import type { z } from 'zod';
import type { Problem } from '#errors';
import { faulty } from '../parse.ts';

/** A field that the protocol knows and that no run has a use for. */
export interface IdleField {
  /** Values that ask for nothing but what happens anyway; null is always one. */
  readonly idle?: readonly unknown[];
  /** Why another value is refused, and what to do instead. */
  readonly instead: string;
}

/** Parses a body of which some fields are known and not served. @throws InvalidInput listing every fault */
export function parseKnowing<T extends z.ZodType>(
  schema: T,
  idle: Readonly<Record<string, IdleField>>,
  body: unknown,
): z.infer<T> {
  const { kept, problems } = setAside(body, idle);
  const parsed = schema.safeParse(kept);
  const faults = [...problems, ...(parsed.success ? [] : faultsOf(parsed.error.issues))];
  if (!parsed.success || faults.length > 0) throw faulty(faults);
  return parsed.data;
}

function setAside(body: unknown, idle: Readonly<Record<string, IdleField>>): { kept: unknown; problems: Problem[] } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return { kept: body, problems: [] };
  const kept: Record<string, unknown> = {};
  const problems: Problem[] = [];
  for (const [name, value] of Object.entries(body)) {
    const field = Object.hasOwn(idle, name) ? idle[name] : undefined;
    if (field === undefined) kept[name] = value;
    else if (!isIdle(field, value)) problems.push({ path: name, message: `is not supported here: ${field.instead}` });
  }
  return { kept, problems };
}

function isIdle({ idle = [] }: IdleField, value: unknown): boolean {
  return value === null || idle.some((none) => JSON.stringify(none) === JSON.stringify(value));
}

type Issue = z.core.$ZodIssue;

/** Of a value that may have one of several forms, the faults of the form that it comes nearest to. */
function faultsOf(issues: readonly Issue[], at: readonly PropertyKey[] = []): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const path = [...at, ...issue.path];
    const forms = issue.code === 'invalid_union' ? issue.errors.filter((form) => form.length > 0) : [];
    const [nearest] = forms.toSorted((a, b) => depthOf(b) - depthOf(a));
    if (nearest !== undefined && depthOf(nearest) > 0) return faultsOf(nearest, path);
    return [{ path: path.join('.'), message: issue.message }];
  });
}

function depthOf(issues: readonly Issue[]): number {
  return Math.max(...issues.map(({ path }) => path.length));
}
