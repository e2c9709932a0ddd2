import type { ResearchBody } from '../libs.ts';

/** A question as it is being put together; fields as they are typed. */
export interface Draft {
  readonly question: string;
  readonly model: string;
  readonly steps: string;
  readonly minutes: string;
  readonly tokens: string;
  readonly usd: string;
  readonly corpora: readonly string[];
  readonly urls: string;
  readonly web: 'usual' | 'yes' | 'no';
  readonly allowed: string;
  readonly denied: string;
  readonly citations: 'mark' | 'strict';
  readonly schema: string;
}

export const emptyDraft: Draft = {
  ...{ question: '', model: '', steps: '', minutes: '', tokens: '', usd: '' },
  ...{ corpora: [], urls: '', web: 'usual', allowed: '', denied: '', citations: 'mark', schema: '' },
};

/** A draft from its JSON; what another release wrote of it in another form is left empty. */
export function readDraft(text: string): Draft {
  let kept: unknown;
  try {
    kept = JSON.parse(text);
  } catch {
    return emptyDraft;
  }
  if (typeof kept !== 'object' || kept === null) return emptyDraft;
  const fits = ([name, value]: [string, unknown]): boolean => {
    if (!Object.hasOwn(emptyDraft, name)) return false;
    if (name === 'corpora') return Array.isArray(value) && value.every((one) => typeof one === 'string');
    return typeof value === 'string';
  };
  return { ...emptyDraft, ...Object.fromEntries(Object.entries(kept).filter(fits)) };
}

/** What is wrong with a draft, where only the page can know it; the server finds the rest. */
export type Drafted = { readonly body: ResearchBody } | { readonly fault: string };

/** Turns a draft into a request. */
export function toBody(draft: Draft): Drafted {
  const numbers = { steps: draft.steps, seconds: draft.minutes, tokens: draft.tokens, usd: draft.usd };
  const budget: Record<string, number> = {};
  for (const [name, text] of Object.entries(numbers)) {
    const value = Number(text);
    if (text.trim() === '') continue;
    if (!(value > 0)) return { fault: `${JSON.stringify(text)} is no limit: a budget is a number above zero.` };
    budget[name] = name === 'seconds' ? value * 60 : value;
  }
  const schema = schemaOf(draft.schema);
  if (schema === 'fault')
    return { fault: 'The output schema is not JSON: it needs an object such as {"type":"object", …}.' };
  return {
    body: {
      question: draft.question.trim(),
      ...(draft.model === '' ? {} : { model: draft.model }),
      ...(Object.keys(budget).length === 0 ? {} : { budget }),
      ...sourcesOf(draft),
      ...(draft.citations === 'mark' ? {} : { citations: draft.citations }),
      ...(schema === null ? {} : { output_schema: schema }),
    },
  };
}

function sourcesOf({ corpora, urls, web, allowed, denied }: Draft): Pick<ResearchBody, 'sources'> {
  const [pages, allow, deny] = [wordsIn(urls), wordsIn(allowed), wordsIn(denied)];
  const sources = {
    ...(corpora.length === 0 ? {} : { corpora: [...corpora] }),
    ...(pages.length === 0 ? {} : { urls: pages }),
    ...(web === 'usual' ? {} : { web: web === 'yes' }),
    ...(allow.length === 0 ? {} : { allow_domains: allow }),
    ...(deny.length === 0 ? {} : { deny_domains: deny }),
  };
  return Object.keys(sources).length === 0 ? {} : { sources };
}

/** Addresses and hosts are parted by white space or commas. */
function wordsIn(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

function schemaOf(text: string): Record<string, unknown> | 'fault' | null {
  if (text.trim() === '') return null;
  try {
    const value: unknown = JSON.parse(text);
    const isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : 'fault'; // as just seen
  } catch {
    return 'fault';
  }
}
