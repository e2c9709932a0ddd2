/** The named points of a run's life, as they show in the conversation with PostgreSQL. */
import type { Point } from './fault-proxy.ts';

/** A statement of libs/runs and, where it serves several purposes, what its parameters hold for this one. */
type Marker = Omit<Point, 'when'>;

/** One statement commits everything to a run; these words name it. */
const commit = 'INSERT INTO argosy.steps';

/** By the process that says them. Whoever renames a statement sees that its point never fires. */
export const points = {
  gateway: {
    accept: { statement: 'INSERT INTO argosy.runs', values: '"question"' },
  },
  dispatcher: {
    'take from the backlog': { statement: 'SET rung_at = now(), rings = rings + 1' },
  },
  agent: {
    claim: { statement: 'epoch = r.epoch + 1' },
    'commit of a step': { statement: commit, values: '"step_no":' },
    'intents of calls': { statement: commit, values: '"calls":[{' },
    'ring of calls': { statement: 'UPDATE argosy.tool_calls c SET rings = rings + 1' },
    'end of a run': { statement: commit, values: '"report":{' },
  },
  tool: {
    'claim of a call': { statement: "UPDATE argosy.tool_calls c SET state = 'running'" },
    'texts of a call': { statement: 'INSERT INTO argosy.blobs' },
    'finish of a call': { statement: 'UPDATE argosy.tool_calls SET state = $5' },
  },
  /** Of an agent worker that drains. */
  draining: {
    'hand back': { statement: commit, values: '"state":"queued"' },
  },
  /** Of a worker that is stopped while others take over. */
  zombie: {
    'commit of a reply': { statement: commit, values: '"kind":"model-replied"' },
  },
} as const satisfies Record<string, Record<string, Marker>>;

/** The runs that a statement speaks of. */
export function runsIn(said: string): string[] {
  return [...new Set(said.match(/run_[0-9a-f]{32}/g))];
}

/** The tool calls that a statement speaks of. */
export function callsIn(said: string): string[] {
  return [...new Set(said.match(/(?<![0-9a-f_])[0-9a-f]{32}(?![0-9a-f])/g))];
}
