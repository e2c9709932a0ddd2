import type { RunEventType } from '#domain';
import type { ResponseEcho } from './responses-body.ts';

/** A run that is shown as a response: what was frozen when it was accepted. */
export interface ShownRun {
  readonly runId: string;
  /** ISO 8601. */
  readonly acceptedAt: string;
  readonly model: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly degraded: readonly string[];
  /** Whether it may search the web. */
  readonly web: boolean;
  /** Whether an object was asked for beside the answer. */
  readonly hasSchema: boolean;
  readonly echo: ResponseEcho;
}

/** A durable event of a run. */
export interface LoggedEvent {
  readonly type: RunEventType;
  readonly data: Readonly<Record<string, unknown>>;
  readonly at: string;
}
