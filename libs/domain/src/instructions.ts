import type { ClaimFault } from './claims.ts';

/** Faults listed in one notice; a model that gets this many wrong is helped by no longer list. */
const mostListed = 20;

/** Longest beginning of a claim or fault that is shown. */
const mostCharacters = 300;

/** Asks for the answer once more, with the proofs that were missing. */
export function repairNotice(faults: readonly ClaimFault[]): string {
  const listed = faults.map(({ text, reason }) => `"${shortened(text)}": ${shortened(reason)}`);
  return `Your answer was checked, and these sentences have no proof:
${list(listed)}
Give the whole answer again. Behind each of these sentences put a quote that is copied character by character from a passage above, with the source id of that passage. Where no passage supports a sentence, change it to what the passages do say, or leave it out. Keep everything else as it is.`;
}

/** Says what is wrong with an object that was to fit the schema. */
export function outputNotice(faults: readonly string[]): string {
  return `That cannot be used:\n${list(faults.map(shortened))}\nGive the whole JSON again, mended.`;
}

/** Refuses a reply with more calls than can be answered. */
export function tooManyCalls(count: number, most: number): string {
  return `You asked for ${count} calls at once; at most ${most} can be made, and none was. Ask for the most important ones.`;
}

/** Refuses calls that the run cannot pay and still answer. */
export const unaffordableCalls =
  'None of these calls was made: after them, the budget in money would not be enough for the answer.';

function list(items: readonly string[]): string {
  const lines = items.slice(0, mostListed).map((item, index) => `${index + 1}. ${item}`);
  if (items.length > mostListed) lines.push(`... and ${items.length - mostListed} more`);
  return lines.join('\n');
}

/** In one line, and no longer than tells what is meant. */
export function shortened(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= mostCharacters ? line : `${line.slice(0, mostCharacters - 1).toWellFormed()}…`;
}
