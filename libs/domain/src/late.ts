import type { ToolCall, ToolOutcome } from './conversation.ts';

/** What stands for the result of a call that had none when the time for research was over. */
export function lateOutcome({ tool, args }: ToolCall): ToolOutcome {
  const fault = { kind: 'transient' as const, message: 'The time for research was over before this call ended.' };
  return {
    call: { tool, args },
    observation: { sections: [{ label: tool, passages: [], fault }], sources: [] },
    late: true,
  };
}
