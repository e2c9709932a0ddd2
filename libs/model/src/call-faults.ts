/** Reads a tool call as a model wrote it, or says what is wrong with it so that the model can mend it. */
import type { ToolCall } from '#domain';
import { argumentFaults, isRecord, kindOf } from './argument-faults.ts';
import type { OfferedTool } from './chat-model.ts';
import { jsonFault, toldFault } from './json-fault.ts';

/** What was wrong, as the end of the sentence "The tool call ...". */
export type Fault = string;

/** JSON by RFC 8259 and nothing looser: no single quotes, comments, trailing commas, bare names or raw line breaks. */
export function readJson(json: string): { readonly value: unknown } | { readonly fault: Fault } {
  const fault = jsonFault(json);
  if (fault) return { fault: `is not valid JSON ${toldFault(json, fault)}.` };
  return { value: JSON.parse(json, (_name, item: unknown) => storableItem(item)) };
}

/** Without what no store takes and escapes can name, NUL and halves of surrogate pairs: each becomes U+FFFD. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}

function storableItem(item: unknown): unknown {
  if (typeof item === 'string') return storable(item);
  if (!isRecord(item) || Object.keys(item).every((name) => storable(name) === name)) return item;
  return Object.fromEntries(Object.entries(item).map(([name, member]) => [storable(name), member]));
}

/** Goes by the name alone, whatever the arguments speak of. */
export function checkedCall(tool: string, args: unknown, tools: readonly OfferedTool[]): ToolCall | Fault {
  const offered = tools.find(({ name }) => name === tool);
  if (!offered) {
    const names = tools.map(({ name }) => name).join(', ');
    return `names "${tool}", which is no tool here. ${names === '' ? 'There are no tools' : `There are: ${names}`}.`;
  }
  if (!isRecord(args)) return `of "${tool}" must have a JSON object as arguments, but has ${kindOf(args)}.`;
  const faults = argumentFaults(args, offered.parameters);
  return faults.length === 0 ? { tool, args } : `of "${tool}" has wrong arguments: ${faults.join(' ')}`;
}

/**
 * All the calls, or the first fault as a problem: one call that is wrong holds back the rest, because the model must mend
 * its reply as a whole.
 * @param form how a call is to be written, told behind the fault
 */
export function allOrNothing(
  reads: readonly (ToolCall | Fault)[],
  form: string,
): { readonly calls: readonly ToolCall[]; readonly problem?: string } {
  const calls: ToolCall[] = [];
  for (const [index, read] of reads.entries()) {
    if (typeof read !== 'string') {
      calls.push(read);
      continue;
    }
    const alone = reads.length === 1;
    const which = alone ? 'The tool call' : `Tool call ${index + 1} of ${reads.length}`;
    return { calls: [], problem: `${which} ${read} ${alone ? 'It was not run.' : 'None of them was run.'} ${form}` };
  }
  return { calls };
}

/** What a model is told that ran in a circle. */
export function circleProblem({ unit, times }: { readonly unit: string; readonly times: number }): string {
  const start = unit.length > 80 ? `${unit.slice(0, 80)}...` : unit;
  return `Your reply wrote the same thing ${times} times over and was stopped: ${JSON.stringify(start.toWellFormed())}. Do not go on with it. Decide now: call a tool in another way than before, or answer from what you have.`;
}
