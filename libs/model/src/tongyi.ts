/** The wire profile `tongyi-v1`: the forms that Tongyi DeepResearch was trained on, our words where they are free. */
import type { OutputSchema, ToolCall, Turn } from '#domain';
import { answerParts } from './answer-parts.ts';
import { isRecord, kindOf } from './argument-faults.ts';
import { allOrNothing, checkedCall, circleProblem, type Fault, readJson } from './call-faults.ts';
import type { ChatRequest, OfferedTool } from './chat-model.ts';
import { historyRenderer, type Place, weighed } from './history.ts';
import { answerNow, CITING, outputNow, ROLE, SOURCES } from './instructions.ts';
import { digestText, observationText } from './observation-text.ts';
import type { Output } from './output-parser.ts';
import { readOutput } from './output-reply.ts';
import type { ChatMessage, Generated, ParsedReply, Profile, Prompt, Sampling } from './profile.ts';
import { readingPrompt, readingReply } from './reading-prompt.ts';
import type { Segment } from './segments.ts';
import { tongyiForm } from './tongyi-form.ts';
import { CODE, SCHOLAR, trainedName, withoutCode } from './tongyi-tools.ts';

/** Technical report arXiv 2510.24701 §4.1 and the authors' published inference settings. */
export const tongyiV1: Profile = {
  id: 'tongyi-v1',
  stop: ['\n<tool_response>', '<tool_response>'],
  sampling: { temperature: 0.85, topP: 0.95, presencePenalty: 1.1 },
  limits: { contextTokens: 131_072, replyTokens: 10_000 },
  render,
  form: tongyiForm,
  read,
};

const REPLIES = `# Replies
Think first, inside <think></think>. Then do one of two things: call tools, or give the answer. Never both in one reply.`;

const CALLING = `To call a tool, write its name and arguments as one JSON object inside <tool_call></tool_call>:
<tool_call>
{"name": <name of the tool>, "arguments": <JSON object that fits its parameters>}
</tool_call>
Calls that do not depend on each other may follow one another directly, each in its own <tool_call></tool_call>. Then stop: the results come in the next message, inside <tool_response></tool_response>.`;

const CODING = `${CODE.tool} takes its program behind the JSON, inside <code></code>:
<tool_call>
{"name": "${CODE.tool}", "arguments": {}}
<code>
print(6 * 7)
</code>
</tool_call>`;

const ANSWERING = `# Answer
When the evidence suffices, write the whole answer in Markdown inside <answer></answer>. ${CITING}`;

const CALL_FORM =
  '<tool_call>\n{"name": "<name of the tool>", "arguments": {<arguments that fit its parameters>}}\n</tool_call>';

const READING = 'Think first, inside <think></think>, and briefly.';

/** A penalty on words that came before would be one on copying. */
const COPYING: Sampling = { temperature: 0.3, topP: 0.95, presencePenalty: 0 };

const historyOf = historyRenderer(messagesOf);

/**
 * The tools stay listed when an answer is forced: the prompt's start is what the server has cached, and at that point it
 * is at its longest. The closing notice withdraws them, and a call in the reply is passed over.
 */
function render(request: ChatRequest): Prompt {
  if (request.reading) return { ...readingPrompt(request.reading, READING), sampling: COPYING };
  const system = systemPrompt(request);
  const closing = request.mustAnswer ? orderText(request.outputSchema) : '';
  const { messages, weights } = historyOf(request.turns);
  messages.unshift({ role: 'system', content: system });
  if (closing !== '') messages.push({ role: 'user', content: closing });
  return { messages, fields: {}, ...weighed(weights, system, closing) };
}

function orderText(schema: OutputSchema | undefined): string {
  const where = ', inside <answer></answer>';
  return schema === undefined ? answerNow(where) : outputNow(schema, where);
}

function systemPrompt({ tools, today }: ChatRequest): string {
  const parts = [ROLE, REPLIES];
  if (tools.length > 0) {
    const coding = tools.some(({ name }) => name === CODE.tool) ? `\n${CODING}` : '';
    const signatures = tools.map(signatureLine).join('\n');
    parts.push(`# Tools\n<tools>\n${signatures}\n</tools>\n${CALLING}${coding}\n${SOURCES}`);
  }
  parts.push(ANSWERING, `Current date: ${today}`);
  return parts.join('\n\n');
}

/** One line, with the spaces after `:` and `,` that the training data has. */
function signatureLine({ name, description, parameters }: OfferedTool): string {
  const shown = name === CODE.tool ? withoutCode(parameters) : parameters;
  const signature = { type: 'function', function: { name: trainedName(name), description, parameters: shown } };
  // Inside strings a line break is escaped, so every real one here is layout.
  return JSON.stringify(signature, null, 1).replace(/,\n */g, ', ').replace(/\n */g, '');
}

function messagesOf(turn: Turn, { numbered }: Place): readonly ChatMessage[] {
  switch (turn.role) {
    case 'question':
    case 'notice':
      return [{ role: 'user', content: turn.text }];
    case 'model':
      return [{ role: 'assistant', content: turn.text }];
    case 'order':
      return [{ role: 'user', content: orderText(turn.schema) }];
    case 'digest':
      return [{ role: 'user', content: digestText(turn, numbered(), trainedName) }];
    case 'tools': {
      const told = turn.results.map((outcome) => observationText(outcome, numbered(), trainedName));
      return [{ role: 'user', content: told.map((text) => `<tool_response>\n${text}\n</tool_response>`).join('\n') }];
    }
  }
}

/**
 * Calls win over an answer beside them, which was given before its evidence came. Several calls are all or nothing. An
 * answer without its closing tag is taken up to the end of the text, unless the server says that it was cut there.
 */
function read({ output, finish, isCutShort }: Generated, request: ChatRequest): ParsedReply {
  const { tools, mustAnswer, outputSchema } = request;
  const { text, segments, repetition } = output;
  if (request.reading) return readingReply(text);
  if (outputSchema !== undefined) {
    const given = segments.findLast(({ kind }) => kind === 'answer');
    if (given === undefined)
      return { text, calls: [], problem: 'Your reply held no <answer>. Write the JSON inside it.' };
    return { text, calls: [], ...readOutput(text.slice(given.start, given.end)) };
  }
  const calls = lastCalls(output);
  if (repetition && !mustAnswer) return { text, calls: [], problem: circleProblem(repetition) };
  if (calls.length > 0 && !mustAnswer) {
    const trained = tools.map((tool) => ({ ...tool, name: trainedName(tool.name) }));
    const reads = calls.map((call) => readCall(text, call, trained)).map(inOurWords);
    return { text, ...allOrNothing(reads, `Write it as\n${CALL_FORM}`) };
  }
  const answers = segments.filter(({ kind }) => kind === 'answer');
  for (const { start, end, closed } of answers.toReversed()) {
    const answer = answerParts(text.slice(start, end));
    if (answer.length === 0) continue;
    const cut = (isCutShort === true || (!closed && finish === 'length')) && !mustAnswer;
    return cut ? { text, calls: [], problem: 'Your <answer> is not complete.' } : { text, calls: [], answer };
  }
  return { text, calls: [], problem: repetition ? circleProblem(repetition) : missing(output, mustAnswer) };
}

/**
 * The calls that are meant: the last ones with nothing but thinking and white space between them. The model was trained
 * on one call a turn, and what it wrote before it went on talking is a draft; calls that follow one another directly are
 * the form its base model has for several, and the answer to each goes back in its own frame.
 */
function lastCalls({ text, segments }: Output): readonly Segment[] {
  let calls: Segment[] = [];
  let behind = 0;
  let apart = false;
  for (const segment of segments) {
    apart ||= segment.kind === 'answer' || text.slice(behind, segment.from).trim() !== '';
    behind = segment.to;
    if (segment.kind !== 'call') continue;
    calls = apart ? [segment] : [...calls, segment];
    apart = false;
  }
  return calls;
}

function inOurWords(read: ToolCall | Fault): ToolCall | Fault {
  return typeof read !== 'string' && read.tool === SCHOLAR.trained ? { ...read, tool: SCHOLAR.ours } : read;
}

/** A call without its closing tag is taken when the text ended there and all else is complete. */
function readCall(
  text: string,
  { start, end, closed, code }: Segment,
  tools: readonly OfferedTool[],
): ToolCall | Fault {
  const json = text.slice(start, code?.from ?? end);
  if (json.trim() === '') return 'is empty.';
  const read = readJson(json);
  if ('fault' in read) return closed ? read.fault : `was never closed with </tool_call> and ${read.fault}`;
  const { value } = read;
  if (!isRecord(value)) return `must be one JSON object, but is ${kindOf(value)}.`;
  const { name: written, arguments: args } = value;
  const name = typeof written === 'string' ? trainedName(written) : written;
  if (name === undefined) return 'has no "name".';
  if (typeof name !== 'string') return `must have the name of a tool as "name", but has ${kindOf(name)}.`;
  if (args === undefined) return `of "${name}" has no "arguments"; write {} where there are none.`;
  if (code === undefined) return checkedCall(name, args, tools);
  if (name !== CODE.tool) return `of "${name}" has a <code>, which only ${CODE.tool} takes.`;
  if (!code.closed) return `of "${name}" opened <code> and never closed it with </code></tool_call>.`;
  if (isRecord(args) && Object.hasOwn(args, CODE.argument)) return `of "${name}" gives its program twice.`;
  const program = text.slice(code.start, code.end).replace(/^\r?\n|\s+$/g, '');
  if (program === '') return `of "${name}" has an empty <code>.`;
  return checkedCall(name, isRecord(args) ? { ...args, [CODE.argument]: program } : args, tools);
}

/** Why there is neither call nor answer. */
function missing({ text, segments }: Output, mustAnswer: boolean): string {
  const has = (kind: Segment['kind']): boolean => segments.some((segment) => segment.kind === kind);
  if (mustAnswer && has('call')) {
    return 'No tool can be called any more. Write the answer now, inside <answer></answer>.';
  }
  if (has('answer')) return 'The <answer> was empty. Write the whole answer between <answer> and </answer>.';
  const thoughts = segments.filter(({ kind }) => kind === 'think');
  if (thoughts.some(({ closed }) => !closed)) {
    return 'Your reply opened <think> and never closed it, so all of it counts as thinking. Close it with </think>, then call a tool or write the <answer>.';
  }
  const inThought = thoughts.some(({ start, end }) => text.slice(start, end).includes('<tool_call>'))
    ? ' The tool call inside <think></think> is a thought and was not run: call behind </think>.'
    : '';
  return `Your reply held neither a tool call nor an answer.${inThought} To call a tool write\n${CALL_FORM}\nTo finish, write the whole answer between <answer> and </answer>.`;
}
