/** Where a text may be cut so that its parts, encoded one by one, give the token ids of the whole. */

/** Cuts a text; the pieces joined give the text. */
export type Cut = (text: string) => string[];

/** Long enough that cutting costs little, short enough that one piece is encoded in some ten milliseconds. */
const PIECE_CHARACTERS = 4096;

/**
 * Behind a line break between two characters that are no white space, and before a space between two letters. Split
 * patterns in the line of GPT-2 (Llama 3, Qwen, DeepSeek) look past neither.
 */
const SAFE = /(?<=\S\n)(?=\S)|(?<=\p{L})(?= \p{L})/gu;

/** Goes through every kind of border: around control tokens, line breaks, spaces, numbers, code, other scripts. */
const PROBE = [
  'You are here.\nNext line,\n\n  indented by two \n\tand a tab.\r\nIt\'s "quoted": 12,345.67 m/s²; x = f(y) {\n    return 1;\n}\n',
  ' lone spaces   three   and a word\nüber naïve Ångström\n研究报告的数据 и слова\nемодзи 👩‍🚀🇪🇺 end\n- list\n- of\n1. two\n',
  '<a href="x">b</a>\n// ====\n#hash @at\n\u00a0nbsp\u3000wide\n\ncan\'t WON\'T\n',
];

/**
 * The finest cut that is exact for an encoder: at control tokens and inside the text, at control tokens alone, or none.
 * Each is tried on texts with every kind of border; an encoder that treats the start of a text apart, as SentencePiece
 * does, fails there.
 * @param controls tokens that are taken out of a text before anything else looks at it
 */
export function exactCut(encode: (text: string) => readonly number[], controls: readonly string[]): Cut {
  const whole: Cut = (text) => [text];
  const probe = ['', ...controls, ''].map((control, i) => control + PROBE[i % PROBE.length]).join(' \n');
  const isExact = (cut: Cut): boolean => cut(probe).flatMap(encode).join() === encode(probe).join();
  const atControls = cutBefore(controls);
  if (!isExact(atControls)) return whole;
  const inside = (most: number): Cut => {
    return (text) => atControls(text).flatMap((stretch) => cutInside(stretch, most));
  };
  return isExact(inside(1)) ? inside(PIECE_CHARACTERS) : atControls;
}

function cutBefore(controls: readonly string[]): Cut {
  if (controls.length === 0) return (text) => [text];
  // The longest first, as the encoder looks for them.
  const alternatives = controls.toSorted((a, b) => b.length - a.length).map(literally);
  const pattern = new RegExp(alternatives.join('|'), 'gu');
  return (text) => {
    const ends = [...text.matchAll(pattern)].map(({ index }) => index);
    return between(text, ends);
  };
}

/** A pattern that matches the token and nothing else. */
function literally(token: string): string {
  return token.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** Pieces of about `most` characters; longer where no safe place comes. */
function cutInside(stretch: string, most: number): string[] {
  if (stretch.length <= most) return [stretch];
  const ends: number[] = [];
  let start = 0;
  while (start + most < stretch.length) {
    SAFE.lastIndex = start + most;
    const found = SAFE.exec(stretch);
    if (!found) break;
    start = found.index;
    ends.push(start);
  }
  return between(stretch, ends);
}

function between(text: string, ends: readonly number[]): string[] {
  const all = [...ends, text.length];
  return all.map((end, i) => text.slice(all[i - 1] ?? 0, end)).filter((piece) => piece !== '');
}
