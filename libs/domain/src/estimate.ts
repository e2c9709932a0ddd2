/** Sizes in tokens where nothing counts them. A rough measure: English has about four characters a token. */
const charactersPerToken = 4;

/** Chinese, Japanese and Korean are nearer to one and a half. */
const charactersPerTokenCjk = 1.5;

/**
 * Estimated tokens of a text, a fraction. Too low for code, tables and numbers, which have more tokens than that. Cost
 * O(characters).
 */
export function tokenWeight(text: string): number {
  let cjk = 0;
  for (let i = 0; i < text.length; i++) if (isCjk(text.charCodeAt(i))) cjk++;
  return (text.length - cjk) / charactersPerToken + cjk / charactersPerTokenCjk;
}

/** From the radicals to the Hangul syllables, the compatibility ideographs, and full-width forms. */
function isCjk(unit: number): boolean {
  return unit >= 0x2e80 && (unit < 0xd7b0 || (unit >= 0xf900 && unit < 0xfb00) || (unit >= 0xff00 && unit < 0xfff0));
}
