/** A subset of ECMAScript's regular expressions (in unicode mode) that is matched in linear time. */
import { ANY, oneOf, othersThan, type Range, type Writing } from './characters.ts';
import type { Expression, Expressions } from './expressions.ts';

/** Why a pattern cannot be used, with the place in it. */
export class PatternFault extends Error {
  override readonly name = 'PatternFault';
}

const MOST_CHARACTERS = 2_000;
const MOST_TIMES = 1_000;
const MOST_LEVELS = 32;

const DIGITS: readonly Range[] = [[0x30, 0x39]];
const WORD: readonly Range[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
const SPACE: readonly Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const LINE_ENDS: readonly Range[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];

const CLASSES: Readonly<Record<string, readonly Range[]>> = {
  d: DIGITS,
  w: WORD,
  s: SPACE,
  D: othersThan(DIGITS),
  W: othersThan(WORD),
  S: othersThan(SPACE),
};
const CONTROLS: Readonly<Record<string, number>> = { t: 0x09, n: 0x0a, v: 0x0b, f: 0x0c, r: 0x0d, 0: 0 };

export interface PatternUse {
  /** `whole`: the text is what the pattern says; `search`: it holds such a part somewhere, as JSON Schema has it. */
  readonly meaning: 'whole' | 'search';
  readonly writing: Writing;
}

/** @throws PatternFault saying what lies outside the subset */
export function patternOf(on: Expressions, pattern: string, { meaning, writing }: PatternUse): Expression {
  if (pattern.length > MOST_CHARACTERS) {
    throw new PatternFault(`has ${pattern.length} characters; at most ${MOST_CHARACTERS} are taken`);
  }
  const any = on.repeat(oneOf(on, ANY, writing), 0, Infinity);
  const open = meaning === 'search' ? any : on.empty;
  const branches = new Reader(on, pattern, writing).whole();
  return on.choice(
    branches.map(({ body, start, end }) => on.sequence(start ? on.empty : open, body, end ? on.empty : open)),
  );
}

/** One of the alternatives at the top: the only place where anchors may stand. */
interface Branch {
  readonly body: Expression;
  readonly start: boolean;
  readonly end: boolean;
}

class Reader {
  readonly #on: Expressions;
  readonly #writing: Writing;
  readonly #characters: readonly string[];
  #at = 0;
  #level = 0;

  constructor(on: Expressions, pattern: string, writing: Writing) {
    this.#on = on;
    this.#writing = writing;
    this.#characters = [...pattern];
  }

  whole(): Branch[] {
    const branches: Branch[] = [];
    do {
      const start = this.#take('^');
      const body = this.#sequence();
      branches.push({ body, start, end: this.#take('$') });
    } while (this.#take('|'));
    if (this.#at < this.#characters.length) throw this.#fault(`"${this.#peek()}" has no place here`);
    return branches;
  }

  #alternatives(): Expression {
    const options: Expression[] = [];
    do options.push(this.#sequence());
    while (this.#take('|'));
    return this.#on.choice(options);
  }

  #sequence(): Expression {
    const parts: Expression[] = [];
    while (this.#at < this.#characters.length && !'|)$'.includes(this.#peek())) parts.push(this.#repeated());
    return this.#on.sequence(...parts);
  }

  #repeated(): Expression {
    const atom = this.#atom();
    const times = this.#times();
    if (times === null) return atom;
    this.#take('?'); // As few as possible: what is matched as a whole is the same.
    return this.#on.repeat(atom, ...times);
  }

  #times(): [least: number, most: number] | null {
    if (this.#take('*')) return [0, Infinity];
    if (this.#take('+')) return [1, Infinity];
    if (this.#take('?')) return [0, 1];
    if (!this.#take('{')) return null;
    const least = this.#number();
    const most = this.#take(',') ? (this.#peek() === '}' ? Infinity : this.#number()) : least;
    if (!this.#take('}')) throw this.#fault('a count is written {2}, {2,} or {2,5}');
    if (most < least) throw this.#fault(`at least ${least} and at most ${most} times is never`);
    return [least, most];
  }

  #number(): number {
    let digits = '';
    while (/[0-9]/.test(this.#peek())) digits += this.#next();
    const value = Number(digits);
    if (digits === '') throw this.#fault('a count is written {2}, {2,} or {2,5}');
    if (value > MOST_TIMES) throw this.#fault(`${digits} times is too often; at most ${MOST_TIMES}`);
    return value;
  }

  #atom(): Expression {
    const character = this.#next();
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return this.#of(this.#class());
      case '.':
        return this.#of(othersThan(LINE_ENDS));
      case '\\':
        return this.#of(this.#escape());
      case '^':
        throw this.#fault('"^" may stand at the beginning of the pattern or of one of its alternatives only');
      case '*':
      case '+':
      case '?':
      case '{':
      case '}':
      case ']':
        throw this.#fault(`"${character}" has nothing to stand for here; write \\${character} for the character`);
      default:
        return this.#of([rangeOf(character)]);
    }
  }

  #group(): Expression {
    if (this.#take('?') && !this.#take(':')) {
      throw this.#fault('looking ahead, looking back and named groups are not supported; (?:...) and (...) are');
    }
    if (++this.#level > MOST_LEVELS) throw this.#fault(`groups are nested deeper than ${MOST_LEVELS} levels`);
    const inner = this.#alternatives();
    this.#level--;
    if (this.#peek() === '$')
      throw this.#fault('"$" may stand at the end of the pattern or of one of its alternatives only');
    if (!this.#take(')')) throw this.#fault('a group is not closed');
    return inner;
  }

  #class(): readonly Range[] {
    const negated = this.#take('^');
    const ranges: Range[] = [];
    while (!this.#take(']')) {
      const from = this.#member();
      const isRange = this.#peek() === '-' && this.#characters[this.#at + 1] !== ']';
      if (!isRange) {
        ranges.push(...from);
        continue;
      }
      this.#next();
      const [first, last] = [single(from), single(this.#member())];
      if (first === null || last === null || last < first)
        throw this.#fault('a range runs from one character to a later one');
      ranges.push([first, last]);
    }
    return negated ? othersThan(ranges) : ranges;
  }

  #member(): readonly Range[] {
    const character = this.#next();
    return character === '\\' ? this.#escape() : [rangeOf(character)];
  }

  #escape(): readonly Range[] {
    const character = this.#next();
    const ranges = CLASSES[character];
    if (ranges !== undefined) return ranges;
    const control = CONTROLS[character];
    if (control !== undefined && !/[0-9]/.test(this.#peek())) return [[control, control]];
    if (character === 'x' || character === 'u') return [this.#code(character)];
    if (/[A-Za-z0-9]/.test(character)) throw this.#fault(`\\${character} is not supported`);
    return [rangeOf(character)];
  }

  #code(kind: 'x' | 'u'): Range {
    const form = kind === 'x' ? /^[0-9A-Fa-f]{2}/ : /^(?:[0-9A-Fa-f]{4}|\{[0-9A-Fa-f]{1,6}\})/;
    const [digits] = form.exec(this.#characters.slice(this.#at, this.#at + 8).join('')) ?? [];
    const code = Number.parseInt(digits?.replace('{', '') ?? '', 16);
    if (digits === undefined || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
      throw this.#fault(`\\${kind} must name a character: \\x41, \\u0041 or \\u{1f680}`);
    }
    this.#at += digits.length;
    return [code, code];
  }

  #of(ranges: readonly Range[]): Expression {
    return oneOf(this.#on, ranges, this.#writing);
  }

  #peek(): string {
    return this.#characters[this.#at] ?? '';
  }

  #next(): string {
    const character = this.#characters[this.#at++];
    if (character === undefined) throw this.#fault('the pattern ends too early');
    return character;
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  #fault(message: string): PatternFault {
    return new PatternFault(`at character ${this.#at}: ${message}`);
  }
}

function rangeOf(character: string): Range {
  const code = character.codePointAt(0) ?? 0;
  return [code, code];
}

function single(ranges: readonly Range[]): number | null {
  const [first] = ranges;
  return ranges.length === 1 && first !== undefined && first[0] === first[1] ? first[0] : null;
}
