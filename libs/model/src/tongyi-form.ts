/** The form of the replies that `tongyi-v1` reads. */
import type { inference } from '#contracts/rpc';
import type { OutputSchema } from '#domain';
import type { ChatRequest, OfferedTool } from './chat-model.ts';
import { choice, jsonValue, literal, regex, repeated, sequence, words } from './grammar.ts';
import { CODE, trainedName, withoutCode } from './tongyi-tools.ts';

const MOST_CALLS = 4;
const MOST_QUOTES = 8;
const MOST_CITED = 100;

/** Tags that would make another thing of the text that they stand in. */
const TAGS = ['<think>', '</think>', '<tool_call>'];
/** What ends an answer, also where it stands in a string. */
const ENDS = ['</answer>', ...TAGS];

/**
 * What a model may write behind its reasoning: calls of the offered tools, or an answer. Before anything was looked up
 * there is nothing that an answer could quote, and the reply is a call.
 */
export function tongyiForm(request: ChatRequest): inference.Grammar {
  const { reading, outputSchema, mustAnswer, tools, turns } = request;
  if (reading) return quotes();
  if (outputSchema !== undefined) return output(outputSchema);
  const answer = sequence(literal('<answer>'), words(...ENDS), literal('</answer>'));
  if (mustAnswer || tools.length === 0) return answer;
  const hasLooked = turns.some(({ role }) => role === 'tools' || role === 'digest');
  return hasLooked ? choice(calls(tools), answer) : calls(tools);
}

function calls(tools: readonly OfferedTool[]): inference.Grammar {
  const call = sequence(literal('<tool_call>\n'), choice(...tools.map(called)), literal('\n</tool_call>'));
  return sequence(call, repeated(sequence(literal('\n'), call), 0, MOST_CALLS - 1));
}

function called({ name, parameters }: OfferedTool): inference.Grammar {
  const start = literal(`{"name": ${JSON.stringify(trainedName(name))}, "arguments": `);
  if (name !== CODE.tool) return sequence(start, jsonValue(parameters), literal('}'));
  const program = sequence(literal('}\n<code>\n'), words('</code>'), literal('\n</code>'));
  return sequence(start, jsonValue(withoutCode(parameters)), program);
}

/** Paths are checked where the output is: here they only begin as paths do. */
function output(schema: OutputSchema): inference.Grammar {
  const quoted = { type: 'object', properties: { source: text, quote: text }, required: ['source', 'quote'] };
  const items = { ...quoted, additionalProperties: false };
  const list = jsonValue({ type: 'array', items, minItems: 1 }, ...ENDS);
  const cited = sequence(regex('"/[^"<\\\\\\u0000-\\u001f]*": '), list);
  const more = repeated(sequence(literal(', '), cited), 0, MOST_CITED - 1);
  const citations = choice(literal('{}'), sequence(literal('{'), cited, more, literal('}')));
  return sequence(
    literal('<answer>\n{"output": '),
    jsonValue(schema, ...ENDS),
    literal(', "citations": '),
    citations,
    literal('}\n</answer>'),
  );
}

const text = { type: 'string' };

function quotes(): inference.Grammar {
  const quote = sequence(literal('<quote>'), words('</quote>', '<quote>', ...TAGS), literal('</quote>\n'));
  return choice(literal('<nothing/>'), repeated(quote, 1, MOST_QUOTES));
}
