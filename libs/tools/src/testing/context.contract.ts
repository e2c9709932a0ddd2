import type { SourcePolicy } from '#domain';
import type { ToolContext } from '../tool.ts';

/** A tool context for tests: nothing is allowed but what `policy` names. */
export function contextWith(policy: Partial<SourcePolicy>): ToolContext {
  return {
    tenantId: 'local',
    policy: { corpora: [], web: false, urls: [], providers: [], allowDomains: [], denyDomains: [], ...policy },
    signal: new AbortController().signal,
    callId: 'call-1',
    opens: null,
    reading: null,
    now: '2026-01-02T03:04:05.000Z',
  };
}
