/** Reads what a `tongyi-v1` model generated. Only generated text comes here, never a prompt. */
import type { ToolCall } from '#domain';
import { messageOf } from '#errors';
import { answerParts } from './answer-parts.ts';
import type { ParsedOutput } from './profile.ts';

interface Block {
  readonly tag: 'tool_call' | 'answer';
  readonly body: string;
  readonly closed: boolean;
}

const CALL_FORM =
  '<tool_call>\n{"name": "<name of the tool>", "arguments": {<arguments that fit its parameters>}}\n</tool_call>';

/** {@link Profile.parse} of `tongyi-v1`. Several calls are all or nothing: one that is malformed holds back the rest. */
export function parseTongyi(text: string, mustAnswer = false): ParsedOutput {
  const { blocks, openThink } = visibleBlocks(text);
  const calls = blocks.filter((block) => block.tag === 'tool_call');
  if (calls.length > 0 && !mustAnswer) return readCalls(calls);
  const answers = blocks.filter((block) => block.tag === 'answer');
  for (const { body } of answers.toReversed()) {
    const answer = answerParts(body);
    if (answer.length > 0) return { calls: [], answer };
  }
  return { calls: [], problem: missing({ call: calls.length > 0, answer: answers.length > 0, openThink }) };
}

function missing(seen: { call: boolean; answer: boolean; openThink: boolean }): string {
  if (seen.call) return 'No tool can be called any more. Write the answer now, inside <answer></answer>.';
  if (seen.answer) return 'The <answer> was empty. Write the whole answer between <answer> and </answer>.';
  if (seen.openThink) {
    return 'Your reply opened <think> and never closed it, so all of it counts as thinking. Close it with </think>, then call a tool or write the <answer>.';
  }
  return `Your reply held neither a tool call nor an answer. To call a tool write\n${CALL_FORM}\nTo finish, write the whole answer between <answer> and </answer>.`;
}

/** Finds the calls and answers outside thinking, in order. */
function visibleBlocks(text: string): { blocks: Block[]; openThink: boolean } {
  const blocks: Block[] = [];
  let at = endOfUnopenedThink(text);
  for (;;) {
    const opening = nextOpening(text, at);
    if (!opening) return { blocks, openThink: false };
    if (opening.tag === 'think') {
      const close = text.indexOf('</think>', opening.end);
      if (close < 0) return { blocks, openThink: true };
      at = close + '</think>'.length;
    } else {
      const read = opening.tag === 'tool_call' ? callAt(text, opening.end) : answerAt(text, opening.end);
      blocks.push(read.block);
      at = read.end;
    }
  }
}

/** Some servers put the opening `<think>` into the prompt; then only its end is generated. */
function endOfUnopenedThink(text: string): number {
  const close = text.indexOf('</think>');
  const open = text.indexOf('<think>');
  return close >= 0 && (open < 0 || close < open) ? close + '</think>'.length : 0;
}

function nextOpening(text: string, from: number): { tag: string; end: number } | undefined {
  const opening = /<(think|tool_call|answer)>/g;
  opening.lastIndex = from;
  const tag = opening.exec(text)?.[1];
  return tag === undefined ? undefined : { tag, end: opening.lastIndex };
}

/** The closing tag is looked for behind the JSON, because a string of the arguments may hold one. */
function callAt(text: string, from: number): { block: Block; end: number } {
  const first = text.indexOf('</tool_call>', from);
  const behind = text.indexOf('</tool_call>', endOfObject(text, from));
  const close = behind > first && isJson(text.slice(from, behind)) ? behind : first;
  if (close < 0) return { block: { tag: 'tool_call', body: text.slice(from), closed: false }, end: text.length };
  return {
    block: { tag: 'tool_call', body: text.slice(from, close), closed: true },
    end: close + '</tool_call>'.length,
  };
}

/** An answer without its closing tag runs to the next call or to the end of the text. */
function answerAt(text: string, from: number): { block: Block; end: number } {
  const close = text.indexOf('</answer>', from);
  if (close >= 0) {
    return { block: { tag: 'answer', body: text.slice(from, close), closed: true }, end: close + '</answer>'.length };
  }
  const call = text.indexOf('<tool_call>', from);
  const end = call < 0 ? text.length : call;
  return { block: { tag: 'answer', body: text.slice(from, end), closed: false }, end };
}

/** Index behind the brace that closes the object opened at or after `from`, or `from` when none does. */
function endOfObject(text: string, from: number): number {
  let depth = 0;
  let inString = false;
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (inString) {
      if (char === '\\') at++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === '{') depth++;
    else if (char === '}' && --depth <= 0) return at + 1;
  }
  return from;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function readCalls(blocks: readonly Block[]): ParsedOutput {
  const calls: ToolCall[] = [];
  for (const [index, block] of blocks.entries()) {
    const read = readCall(block);
    if (typeof read !== 'string') {
      calls.push(read);
      continue;
    }
    const which = blocks.length === 1 ? 'The tool call' : `Tool call ${index + 1} of ${blocks.length}`;
    const others = blocks.length === 1 ? 'It was not run.' : 'None of them was run.';
    return { calls: [], problem: `${which} ${read} ${others} Write it as\n${CALL_FORM}` };
  }
  return { calls };
}

/** The call, or what is wrong with it as the end of a sentence. */
function readCall({ body, closed }: Block): ToolCall | string {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    if (body.trim() === '') return 'is empty.';
    if (!closed) return `was never closed with </tool_call> and is not complete JSON (${messageOf(error)}).`;
    return `is not valid JSON (${messageOf(error)}). Only the JSON object may stand between the tags.`;
  }
  if (!isRecord(value)) return `must be one JSON object, but is ${kindOf(value)}.`;
  const { name, arguments: args } = value;
  if (name === undefined) return 'has no "name".';
  if (typeof name !== 'string' || name.trim() === '') return 'must have the name of a tool, a string, as "name".';
  if (args === undefined) return `of "${name}" has no "arguments"; write {} where there are none.`;
  if (!isRecord(args)) return `of "${name}" must have a JSON object as "arguments", but has ${kindOf(args)}.`;
  return { tool: name.trim(), args };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}
