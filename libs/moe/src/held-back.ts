/** Length of the longest end of `text` with which one of the strings begins and which is not the whole of it. */
export function possibleStart(text: string, strings: readonly string[]): number {
  let longest = 0;
  for (const string of strings) {
    const first = string.charAt(0);
    let at = text.indexOf(first, Math.max(0, text.length - string.length + 1));
    while (at >= 0 && !string.startsWith(text.slice(at))) at = text.indexOf(first, at + 1);
    if (at >= 0) longest = Math.max(longest, text.length - at);
  }
  return longest;
}
