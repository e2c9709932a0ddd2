/** Text from outside, made harmless for a prompt. */

/**
 * Tags that mean something to the model or to its server, when they stand in text from outside. `cite` and `code` are
 * not among them: they are common in pages, and a quote must stay verbatim.
 */
const CONTROL_TAG = /<(?=\s*\/?\s*(?:tool_call|tool_response|tools|think|answer|passage)\b|\|)/gi;

/** Text from outside can neither close its fence nor open a turn: the `<` of such a tag becomes `‹`. */
export function inert(text: string): string {
  return text.replace(CONTROL_TAG, '‹');
}

export function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
