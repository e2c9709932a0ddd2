/** The wire profile `openai-tools-v1`: native tool calling of chat completions, for models that were taught it. */
import type { AnswerPart, OutputSchema, ToolCall, Turn } from '#domain';
import { answerParts } from './answer-parts.ts';
import { isRecord } from './argument-faults.ts';
import { allOrNothing, checkedCall, circleProblem, type Fault, readJson, storable } from './call-faults.ts';
import type { ChatRequest, OfferedTool } from './chat-model.ts';
import { historyRenderer, type Place, weighed } from './history.ts';
import { answerNow, CITING, outputNow, ROLE, SOURCES } from './instructions.ts';
import { digestText, observationText } from './observation-text.ts';
import { readOutput } from './output-reply.ts';
import type { ChatMessage, Generated, MessageCall, NativeCall, ParsedReply, Profile, Prompt } from './profile.ts';
import { readingPrompt, readingReply } from './reading-prompt.ts';
import { type Segment, segmentsOf } from './segments.ts';

/**
 * Tools go in `tools`, calls come in `tool_calls`, their results go back as `tool` messages; content without a call is the
 * answer. Thinking is kept in the run's record and not sent back: some servers refuse it, most templates drop it.
 */
export const openAiTools: Profile = {
  id: 'openai-tools-v1',
  stop: [],
  sampling: null,
  limits: { contextTokens: Infinity, replyTokens: Infinity },
  render,
  read,
};

const REPLIES = `# Replies
Either call tools, several at once where they do not depend on each other, or give the answer. Words beside a tool call are not shown to anybody; a reply without a tool call is taken as the answer.
${SOURCES}`;

const ANSWERING = `# Answer
When the evidence suffices, reply with the whole answer in Markdown and nothing else. ${CITING}`;

const CALL_FORM = 'Call it again with arguments that are one JSON object and fit its parameters.';

const historyOf = historyRenderer(messagesOf);

/** The tools stay listed when an answer is forced, as the prompt's start is what the server has cached. */
function render(request: ChatRequest): Prompt {
  if (request.reading) return readingPrompt(request.reading, '');
  const replies = request.tools.length > 0 ? [REPLIES] : [];
  const system = [ROLE, ...replies, ANSWERING, `Current date: ${request.today}`].join('\n\n');
  const closing = request.mustAnswer ? orderText(request.outputSchema) : '';
  const { messages, weights } = historyOf(request.turns);
  messages.unshift({ role: 'system', content: system });
  if (closing !== '') messages.push({ role: 'user', content: closing });
  const tools = request.tools.map(({ name, description, parameters }) => {
    return { type: 'function', function: { name, description, parameters } };
  });
  const fields = tools.length === 0 ? {} : { tools, tool_choice: request.mustAnswer ? 'none' : 'auto' };
  const listed = tools.length === 0 ? '' : JSON.stringify(tools);
  return { messages, fields, ...weighed(weights, system + listed, closing) };
}

function orderText(schema: OutputSchema | undefined): string {
  return schema === undefined ? answerNow('') : outputNow(schema, '');
}

function messagesOf(turn: Turn, { callsBefore, numbered }: Place): readonly ChatMessage[] {
  switch (turn.role) {
    case 'question':
    case 'notice':
      return [{ role: 'user', content: turn.text }];
    case 'model': {
      const content = wordsOf(turn.text, segmentsOf(turn.text));
      if (turn.calls.length > 0) {
        return [
          { role: 'assistant', content, tool_calls: turn.calls.map((call, i) => messageCall(call, callsBefore + i)) },
        ];
      }
      // Servers refuse an empty message.
      return [{ role: 'assistant', content: content || '(no words)' }];
    }
    case 'order':
      return [{ role: 'user', content: orderText(turn.schema) }];
    case 'digest':
      return [{ role: 'user', content: digestText(turn, numbered()) }];
    case 'tools': {
      const first = callsBefore - turn.results.length;
      return turn.results.map((outcome, index) => {
        return { role: 'tool', tool_call_id: idOf(first + index), content: observationText(outcome, numbered()) };
      });
    }
  }
}

function messageCall({ tool, args }: ToolCall, number: number): MessageCall {
  return { id: idOf(number), type: 'function', function: { name: tool, arguments: sortedJson(args) } };
}

/** Counted over the context that is shown: ids only pair a call with its result. Nine letters and digits, as Mistral's templates want it. */
function idOf(number: number): string {
  return `call${String(number).padStart(5, '0')}`;
}

/** Stored arguments come back with their names in another order; the prompt must not change with it. */
function sortedJson(args: unknown): string {
  return JSON.stringify(args, (_name, item: unknown) =>
    isRecord(item) ? Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1))) : item,
  );
}

/** The text outside thinking. */
function wordsOf(text: string, segments: readonly Segment[]): string {
  let words = '';
  let behind = 0;
  for (const { kind, from, to } of segments) {
    if (kind !== 'think') continue;
    words += text.slice(behind, from);
    behind = to;
  }
  return (words + text.slice(behind)).trim();
}

/**
 * Calls win over words beside them and are all or nothing. Calls that cannot be run are kept as words, since a call in a
 * prompt must have a result, and arguments that are no JSON break the templates of servers.
 */
function read({ output, calls, finish }: Generated, request: ChatRequest): ParsedReply {
  const { tools, mustAnswer, outputSchema } = request;
  const { text, segments, repetition } = output;
  if (request.reading) return readingReply(text);
  const none = { text, calls: [] };
  if (outputSchema !== undefined) return { ...none, ...readOutput(wordsOf(text, segments)) };
  if (calls.length > 0 && !mustAnswer) {
    const outcome = allOrNothing(
      calls.map((call) => readNative(call, tools)),
      CALL_FORM,
    );
    return { ...outcome, text: outcome.problem === undefined ? text : [text, ...calls.map(inWords)].join('\n').trim() };
  }
  if (repetition && !mustAnswer) return { ...none, problem: circleProblem(repetition) };
  const written = segments.find((segment) => segment.kind === 'call' && namesTool(text, segment, tools));
  if (written && !mustAnswer) return { ...none, problem: WRITTEN_CALL };
  const answer: AnswerPart[] = answerParts(wordsOf(text, segments));
  if (answer.length === 0) return { ...none, problem: mustAnswer ? NO_ANSWER : NOTHING };
  const cut = finish === 'length' && !mustAnswer;
  return cut ? { ...none, problem: 'Your answer is not complete.' } : { ...none, answer };
}

const NO_ANSWER = 'No tool can be called any more. Write the answer now.';
const NOTHING = 'Your reply held neither a tool call nor an answer, only thinking. Call a tool, or write the answer.';
const WRITTEN_CALL =
  'You wrote a tool call as text, in <tool_call> tags, and it was not run. Use the interface for tool calls. (If this recurs, the model server passes calls on unread: it must be started with its tool-call parser.)';

/** Empty arguments are what servers send for a call without any. */
function readNative({ name, args }: NativeCall, tools: readonly OfferedTool[]): ToolCall | Fault {
  if (name === '') return 'has no name.';
  const read = readJson(args.trim() === '' ? '{}' : args);
  return 'fault' in read ? `of "${name}" has arguments whose text ${read.fault}` : checkedCall(name, read.value, tools);
}

function inWords({ name, args }: NativeCall): string {
  return `[tool call, not run] ${storable(name)} ${storable(args)}`;
}

/** Whether a stretch in `<tool_call>` tags really is a call, and not talk about calls. */
function namesTool(text: string, { start, end }: Segment, tools: readonly OfferedTool[]): boolean {
  const read = readJson(text.slice(start, end));
  return (
    'value' in read &&
    isRecord(read.value) &&
    tools.some(({ name }) => isRecord(read.value) && name === read.value['name'])
  );
}
