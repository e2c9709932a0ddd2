/**
 * Fonts that every reader of PDF has (ISO 32000-1, 9.6.2.2), and what they reach: the characters of WinAnsiEncoding, which are
 * the scripts of western Europe. Widths are those of Adobe's metrics of the fonts.
 */

/** Names as a page knows them. */
export type Font = 'roman' | 'bold' | 'italic' | 'fixed';

export const fontNames: Readonly<Record<Font, string>> = {
  roman: 'Times-Roman',
  bold: 'Times-Bold',
  italic: 'Times-Italic',
  fixed: 'Courier',
};

/** Characters of the codes 0x80 to 0x9f; a space where there is none. */
const upper = '€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ';

const codes = new Map<string, number>();
for (let code = 0x20; code < 0x7f; code += 1) codes.set(String.fromCharCode(code), code);
for (let code = 0xa0; code <= 0xff; code += 1) codes.set(String.fromCharCode(code), code);
for (const [index, character] of [...upper].entries()) if (character !== ' ') codes.set(character, 0x80 + index);

/** Of the codes from 32 on, in thousandths of the size. */
const widths: Readonly<Record<Exclude<Font, 'fixed'>, readonly number[]>> = {
  roman: numbersIn(`
    250 333 408 500 500 833 778 180 333 333 500 564 250 333 250 278 500 500 500 500 500 500 500 500 500
    500 278 278 564 564 564 444 921 722 667 667 722 611 556 722 722 333 389 722 611 889 722 722 556 722
    667 556 611 722 722 944 722 722 611 333 278 333 469 500 333 444 500 444 500 444 333 500 500 278 278
    500 278 778 500 500 500 500 333 389 278 500 500 722 500 500 444 480 200 480 541 0 500 0 333 500 444
    1000 500 500 333 1000 556 333 889 0 611 0 0 333 333 444 444 350 500 1000 333 980 389 333 722 0 444
    722 250 333 500 500 500 500 200 500 333 760 276 500 564 333 760 333 400 564 300 300 333 500 453 250
    333 300 310 500 750 750 750 444 722 722 722 722 722 722 889 667 611 611 611 611 333 333 333 333 722
    722 722 722 722 722 722 564 722 722 722 722 722 722 556 500 444 444 444 444 444 444 667 444 444 444
    444 444 278 278 278 278 500 500 500 500 500 500 500 564 500 500 500 500 500 500 500 500`),
  bold: numbersIn(`
    250 333 555 500 500 1000 833 278 333 333 500 570 250 333 250 278 500 500 500 500 500 500 500 500 500
    500 333 333 570 570 570 500 930 722 667 722 722 667 611 778 778 389 500 778 667 944 722 778 611 778
    722 556 667 722 722 1000 722 722 667 333 278 333 581 500 333 500 556 444 556 444 333 500 556 278 333
    556 278 833 556 500 556 556 444 389 333 556 500 722 500 500 444 394 220 394 520 0 500 0 333 500 500
    1000 500 500 333 1000 556 333 1000 0 667 0 0 333 333 500 500 350 500 1000 333 1000 389 333 722 0 444
    722 250 333 500 500 500 500 220 500 333 747 300 500 570 333 747 333 400 570 300 300 333 556 540 250
    333 300 330 500 750 750 750 500 722 722 722 722 722 722 1000 722 667 667 667 667 389 389 389 389 722
    722 778 778 778 778 778 570 778 722 722 722 722 722 611 556 500 500 500 500 500 500 722 444 444 444
    444 444 278 278 278 278 500 556 500 500 500 500 500 570 500 556 556 556 556 500 556 500`),
  italic: numbersIn(`
    250 333 420 500 500 833 778 214 333 333 500 675 250 333 250 278 500 500 500 500 500 500 500 500 500
    500 333 333 675 675 675 500 920 611 611 667 722 611 611 722 722 333 444 667 556 833 667 722 611 722
    611 500 556 722 611 833 611 556 556 389 278 389 422 500 333 500 500 444 500 444 278 500 500 278 278
    444 278 722 500 500 500 500 389 389 278 500 444 667 444 444 389 400 275 400 541 0 500 0 333 500 556
    889 500 500 333 1000 500 333 944 0 556 0 0 333 333 556 556 350 500 889 333 980 389 333 667 0 389 556
    250 389 500 500 500 500 275 500 333 760 276 500 675 333 760 333 400 675 300 300 333 500 523 250 333
    300 310 500 750 750 750 500 611 611 611 611 611 611 889 667 611 611 611 611 333 333 333 333 722 667
    722 722 722 722 722 675 722 722 722 722 722 556 611 500 500 500 500 500 500 500 667 444 444 444 444
    444 278 278 278 278 500 500 500 500 500 500 500 675 500 500 500 500 500 444 500 444`),
};

function numbersIn(text: string): number[] {
  return text.trim().split(/\s+/).map(Number);
}

const fixedWidth = 600;

/** What is written otherwise: its look differs, its meaning does not. */
const twins: Readonly<Record<string, string>> = {
  ...{ '\u2010': '-', '\u2011': '-', '\u2012': '–', '\u2015': '—', '\u2212': '-', '\u2009': ' ', '\u202f': '\u00a0' },
  ...{
    '\u200b': '',
    '\ufeff': '',
    '\u00ad': '',
    '\t': '    ',
    '\ufb01': 'fi',
    '\ufb02': 'fl',
    '\u2032': "'",
    '\u2033': '"',
  },
};

/** The text in characters that the fonts have, where they have them. */
export function plainly(text: string): string {
  return [...text.normalize('NFC')].map((character) => twins[character] ?? character).join('');
}

/** The first characters of a text that the fonts lack, each once. */
export function lacking(text: string): string[] {
  const missing = [...plainly(text)].filter((character) => character !== '\n' && !codes.has(character));
  return [...new Set(missing)].slice(0, 10);
}

/** Codes of a text, one byte each. */
export function encoded(text: string): Buffer {
  return Buffer.from([...text].map((character) => codes.get(character) ?? 0x3f));
}

/** Width of a text in points. */
export function widthOf(text: string, font: Font, size: number): number {
  if (font === 'fixed') return ([...text].length * fixedWidth * size) / 1000;
  let sum = 0;
  for (const byte of encoded(text)) sum += widths[font][byte - 32] ?? 0;
  return (sum * size) / 1000;
}
