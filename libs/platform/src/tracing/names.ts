import { genAi } from './genai.ts';

/**
 * Every span that Argosy begins. What varies from one to the next of a kind is an attribute and no part of the name, but
 * for a route's template, a model that is configured and a tool that there is: a name has few values.
 */
export type SpanName =
  /** A request to the API. */
  | `${string} /${string}`
  /** From the ring to whoever answers it. */
  | 'wait runs'
  | `wait calls${string}`
  | 'wait corpora'
  /** One step of a run: the root of its trace, linked to the request that the run came by. */
  | 'step'
  | 'commit'
  /** A model call with all its tries. */
  | `chat ${string}`
  /** One try: from the first byte sent to the last that came. */
  | 'ask model'
  | `execute_tool ${string}`
  /** What is fetched for a run, with its redirects; and what the egress proxy did of it. */
  | 'fetch'
  | 'exchange'
  /** A reply in a coordinator: its wait for a place, and one of the steps that it had a part in. */
  | 'generate'
  | 'wait place'
  | 'schedule step'
  /** What one shard did of a layer, as its coordinator and as itself sees it. */
  | 'ask shard'
  | 'forward';

/** Attributes that the semantic conventions for generative AI have no name for. */
export const spanKeys = {
  ...genAi,
  tenant: 'argosy.tenant.id',
  run: 'argosy.run.id',
  epoch: 'argosy.run.epoch',
  step: 'argosy.step.number',
  /** What the step brought: the kind of its event. */
  event: 'argosy.step.event',
  outcome: 'argosy.outcome',
  attempt: 'argosy.call.attempt',
  bell: 'messaging.destination.name',
  messaging: 'messaging.system',
  method: 'http.request.method',
  route: 'http.route',
  status: 'http.response.status_code',
  /** Host alone: paths and queries may hold what somebody asked. */
  host: 'server.address',
  redirects: 'argosy.fetch.redirects',
  receivedBytes: 'argosy.received.bytes',
  sentBytes: 'argosy.sent.bytes',
  request: 'argosy.inference.request.id',
  running: 'argosy.inference.running',
  waiting: 'argosy.inference.waiting',
  stepTokens: 'argosy.inference.step.tokens',
  layer: 'argosy.expert.layer',
  shard: 'argosy.expert.shard',
  rows: 'argosy.expert.rows',
  experts: 'argosy.expert.count',
  fault: 'error.type',
} as const;

type SpanKey = (typeof spanKeys)[keyof typeof spanKeys];

/**
 * What a span may carry: ids, numbers, codes and names that we know. Texts of users, pages and models, addresses with
 * paths, and secrets have no key here, so that they cannot get in by mistake.
 */
export type SpanFields = Readonly<Partial<Record<SpanKey, string | number | boolean | undefined>>>;
