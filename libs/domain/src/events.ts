import type { ToolOutcome } from './conversation.ts';
import type { Report } from './report.ts';
import type { Command, PlacedCall, ResearchEvent, ResearchState } from './run-state.ts';

/** Version of what is stored in steps and events; older versions are upcast when read. */
export const eventSchemaVersion = 4;

/** The durable events that a client of a run can follow. */
export type RunEventType =
  | 'run.accepted'
  | 'run.started'
  | 'run.waiting'
  | 'step.started'
  | 'model.completed'
  | 'tool.started'
  | 'tool.completed'
  | 'context.compacted'
  | 'budget.warning'
  | 'loop.detected'
  | 'answer.checked'
  | 'output.checked'
  | 'report.completed'
  | 'run.completed'
  | 'run.incomplete'
  | 'run.failed'
  | 'run.cancelled';

/** One durable event before it has a number. `data` is public: no page text, no secrets. */
export interface RunEvent {
  readonly type: RunEventType;
  readonly data: Readonly<Record<string, unknown>>;
}

/** True for the event after which a run's stream ends. */
export function isTerminal(type: RunEventType): boolean {
  switch (type) {
    case 'run.completed':
    case 'run.incomplete':
    case 'run.failed':
    case 'run.cancelled':
      return true;
    case 'run.accepted':
    case 'run.started':
    case 'run.waiting':
    case 'step.started':
    case 'model.completed':
    case 'tool.started':
    case 'tool.completed':
    case 'context.compacted':
    case 'budget.warning':
    case 'loop.detected':
    case 'answer.checked':
    case 'output.checked':
    case 'report.completed':
      return false;
  }
}

/** What clients are told when a run moves: the event itself, and what begins because of it. */
export function announce(event: ResearchEvent, after: ResearchState, command: Command): RunEvent[] {
  const told = [...happened(event, after), ...circling(event, after)];
  if (command.kind === 'ask-model') told.push({ type: 'step.started', data: { step: after.step } });
  if (command.kind === 'call-tools') told.push(...command.calls.map(toolStarted));
  return told;
}

function happened(event: ResearchEvent, after: ResearchState): RunEvent[] {
  /** The step that this came to; what begins now is the next one. */
  const step = after.step - 1;
  switch (event.kind) {
    case 'model-replied': {
      const { forced } = event;
      const warning: RunEvent[] = forced === null ? [] : [{ type: 'budget.warning', data: { step, reason: forced } }];
      return [...warning, modelCompleted(event, after)];
    }
    case 'tools-returned':
      return event.outcomes.map((outcome, index) => toolCompleted(outcome, step, index));
    case 'context-compacted':
      return [
        {
          type: 'context.compacted',
          data: {
            step: after.step,
            prompt_tokens: event.promptTokens,
            folded_turns: event.from - 1,
            kept_passages: event.kept.length,
          },
        },
      ];
    case 'answer-checked':
      return [{ type: 'answer.checked', data: { step, supported: event.supported, unsupported: event.faults.length } }];
    case 'output-checked':
      return [{ type: 'output.checked', data: { step, faults: event.faults } }];
    case 'limit-near':
    case 'limit-reached':
    case 'model-failed':
    case 'cancelled':
      return [];
  }
}

/** A circle was noticed: whether it was only pointed out, or the answer is demanded now. */
function circling({ kind }: ResearchEvent, after: ResearchState): RunEvent[] {
  const { circle } = after.progress;
  const isNew = kind === 'model-replied' || kind === 'tools-returned';
  if (circle === null || !isNew) return [];
  const action = after.phase === 'thinking' && after.aim.kind === 'answer' ? 'answer' : 'nudge';
  return [{ type: 'loop.detected', data: { step: after.step - 1, ...circle, action } }];
}

/** The last two events of a run: its report, and how it ended. */
export function announceEnd(report: Report): RunEvent[] {
  const supported = report.claims.filter((claim) => claim.verdict === 'supported').length;
  const summary = { claims: report.claims.length, supported, sources: report.sources.length };
  const details = report.incomplete_details;
  return [
    { type: 'report.completed', data: summary },
    { type: `run.${report.status}`, data: { usage: report.usage, ...(details === null ? {} : details) } },
  ];
}

function modelCompleted({ reply }: Extract<ResearchEvent, { kind: 'model-replied' }>, after: ResearchState): RunEvent {
  return {
    type: 'model.completed',
    data: { step: after.step - 1, calls: reply.calls.length, answered: reply.answer !== undefined, usage: reply.usage },
  };
}

function toolStarted({ step, index, tool, args }: PlacedCall): RunEvent {
  return { type: 'tool.started', data: { step, index, tool, args } };
}

function toolCompleted({ call, observation }: ToolOutcome, step: number, index: number): RunEvent {
  const { sections, sources, reading } = observation;
  const faults = sections.flatMap(({ label, fault }) => (fault === undefined ? [] : [{ label, ...fault }]));
  const passages = sections.reduce((sum, section) => sum + section.passages.length, 0);
  const hits = sections.reduce((sum, section) => sum + (section.hits?.length ?? 0), 0);
  return {
    type: 'tool.completed',
    data: {
      ...{ step, index, tool: call.tool, passages, hits, sources: sources.map((s) => s.uri), faults },
      ...(reading === undefined ? {} : { reading }),
    },
  };
}
