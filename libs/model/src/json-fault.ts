/** Where a text stops being JSON (RFC 8259), told so that its author can mend it. `JSON.parse` names no place for half of its errors. */

/** The first fault: what stands at `at`, and what should. */
export interface JsonFault {
  /** UTF-16 offset; the text's length where it ends too early. */
  readonly at: number;
  readonly expected: string;
}

/** Deeper nesting is no argument of a tool, and would overflow whoever walks it. */
const MAX_DEPTH = 64;

const WHITE = /[ \t\n\r]*/y;
/** All of a string up to what ends it or is wrong in it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids just these in strings
const STRING_BODY = /(?:[^"\\\u0000-\u001f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /(?:true|false|null)(?![\w$])/y;

/**
 * Null for a text that is one JSON value and nothing else, nested up to 64 levels: `JSON.parse` takes it then.
 * Cost O(characters).
 */
export function jsonFault(text: string): JsonFault | null {
  return new Walk(text).whole();
}

/** Each method leaves the cursor behind what it read, or returns the fault. */
class Walk {
  readonly #text: string;
  #at = 0;
  constructor(text: string) {
    this.#text = text;
  }

  whole(): JsonFault | null {
    const fault = this.#value(0, 'a JSON value');
    if (fault) return fault;
    this.#take(WHITE);
    return this.#at === this.#text.length ? null : this.#expected('the end of the JSON');
  }

  #value(depth: number, expected: string): JsonFault | null {
    this.#take(WHITE);
    switch (this.#text[this.#at]) {
      case '{':
        return this.#list(depth, '}', () => this.#member(depth));
      case '[':
        return this.#list(depth, ']', () => this.#value(depth + 1, 'a value or "]"'));
      case '"':
        return this.#string();
      default:
        return this.#take(NUMBER) || this.#take(WORD) ? null : this.#expected(expected);
    }
  }

  /** What stands between brackets, with commas between the items. */
  #list(depth: number, close: '}' | ']', item: () => JsonFault | null): JsonFault | null {
    if (depth >= MAX_DEPTH) return this.#expected(`no more than ${MAX_DEPTH} levels of nesting`);
    this.#at++;
    this.#take(WHITE);
    if (this.#skip(close)) return null;
    for (;;) {
      const fault = item();
      if (fault) return fault;
      this.#take(WHITE);
      if (this.#skip(close)) return null;
      if (!this.#skip(',')) return this.#expected(`"," or "${close}"`);
    }
  }

  #member(depth: number): JsonFault | null {
    this.#take(WHITE);
    if (this.#text[this.#at] !== '"') return this.#expected('a name in double quotes');
    const fault = this.#string();
    if (fault) return fault;
    this.#take(WHITE);
    return this.#skip(':') ? this.#value(depth + 1, 'a value') : this.#expected('":"');
  }

  #string(): JsonFault | null {
    this.#at++;
    this.#take(STRING_BODY);
    if (this.#skip('"')) return null;
    const found = this.#text[this.#at];
    if (found === undefined) return this.#expected('the closing double quote of a string');
    if (found === '\\') return this.#expected('a valid escape (\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX)');
    return this.#expected('an escape: a line break in a string is written \\n, a tab \\t');
  }

  #take(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    const length = pattern.exec(this.#text)?.[0].length ?? 0;
    this.#at += length;
    return length > 0;
  }

  #skip(character: string): boolean {
    const met = this.#text[this.#at] === character;
    if (met) this.#at++;
    return met;
  }

  #expected(expected: string): JsonFault {
    return { at: this.#at, expected };
  }
}

/** The fault as the end of a sentence: line and column from 1, what was expected there, what stands there instead. */
export function toldFault(text: string, { at, expected }: JsonFault): string {
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  const column = at - before.lastIndexOf('\n');
  const near = `${before.slice(-30)}«here»${text.slice(at, at + 20)}`.replace(/\s+/g, ' ').trim();
  const found = at >= text.length ? 'but it ends' : `but found ${JSON.stringify(characterAt(text, at))}`;
  return `at line ${line}, column ${column}: expected ${expected}, ${found} (${near})`;
}

function characterAt(text: string, at: number): string {
  return String.fromCodePoint(text.codePointAt(at) ?? 0);
}
