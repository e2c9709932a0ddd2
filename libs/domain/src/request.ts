import type { Limits } from './budget.ts';
import type { OutputSchema } from './conversation.ts';

/** What the operator, not the run, decided: which model spoke, which protocol, what was missing. */
export interface ReportSetting {
  readonly runId: string;
  readonly question: string;
  readonly mode: 'react';
  readonly model: string | null;
  readonly profile: string;
  /** What an honest reader must know was not there: `no_llm`, `no_web_search`. */
  readonly degraded: readonly string[];
  /** Whose searches it was found by; absent: nobody's. */
  readonly attributions?: readonly Attribution[];
}

/** A search provider that named pages or works to a run, and the terms on which it does so. */
export interface Attribution {
  readonly provider: string;
  readonly text: string;
}

/** What a run is allowed to touch. Comes from the accepted request and never from the model. */
export interface SourcePolicy {
  /** Ids of the corpora to search. */
  readonly corpora: readonly string[];
  /** False: no request leaves the machine except to `urls`. */
  readonly web: boolean;
  /** Names of the search providers to ask where the web is allowed; none named means those that the process asks anyway. */
  readonly providers: readonly string[];
  /** Pages the user named: always allowed to be visited (the egress rules still hold). */
  readonly urls: readonly string[];
  /** Hosts; each matches itself and its subdomains. An empty allow list allows all. */
  readonly allowDomains: readonly string[];
  readonly denyDomains: readonly string[];
  /** ISO dates, both days included: what a search names outside of them, or without any date, is left out. */
  readonly publishedAfter?: string;
  readonly publishedBefore?: string;
}

/** A policy as any release stored it: the first ones knew no providers. */
export type StoredPolicy = Omit<SourcePolicy, 'providers'> & Partial<Pick<SourcePolicy, 'providers'>>;

/** A request as any release stored it. */
export type StoredRequest = Omit<ResearchRequest, 'sources'> & { readonly sources: StoredPolicy };

/** A stored policy as this release knows it. */
export function upcastPolicy(stored: StoredPolicy): SourcePolicy {
  return { ...stored, providers: stored.providers ?? [] };
}

/** A stored request as this release knows it. */
export function upcastRequest(stored: StoredRequest): ResearchRequest {
  return { ...stored, sources: upcastPolicy(stored.sources) };
}

/** What becomes of claims that nothing proves. */
export type CitationRule = 'mark' | 'strict';

/** An accepted request with everything frozen that a replay needs. Stored with the run, never changed. */
export interface ResearchRequest extends Omit<ReportSetting, 'runId' | 'model' | 'attributions'> {
  /** Configured name of the model; `extractive` for none. */
  readonly model: string;
  readonly sources: SourcePolicy;
  readonly limits: Limits;
  /** ISO date of the accept, the only date a prompt may hold. */
  readonly today: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** What the model reads above the question: a conversation before it, instructions. */
  readonly preface?: string;
  /** What the caller is to be told back of how it asked, in the words of its protocol. No researcher sees it. */
  readonly echo?: Readonly<Record<string, unknown>>;
  /** What becomes of a claim without proof: it is marked, or removed. Default `mark`. */
  readonly citations?: CitationRule;
  /** Asks for an object that fits it beside the answer. */
  readonly outputSchema?: OutputSchema;
  /** Its tenant wants what its models are asked and answer in its traces, word for word. */
  readonly traceContent?: true;
}
