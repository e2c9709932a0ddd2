/** The parts of JSON texts (RFC 8259) as expressions. */
import { oneOf, othersThan, type Range } from './characters.ts';
import type { Expression, Expressions } from './expressions.ts';
import { patternOf } from './regex.ts';

/** Deepest nesting of a value that no schema describes. */
const MOST_LEVELS = 16;
/** Of an integer: what a double can tell apart. */
const WHOLE = '0|[1-9]\\d{0,14}';
/** Of a number: what JavaScript writes, from 1e-299 to 1e299, where nothing overflows. */
const NUMBER = '(?:0|[1-9]\\d{0,20})(?:\\.\\d{1,24})?|\\d(?:\\.\\d{1,24})?[eE][+-]?[12]?\\d{1,2}';

/** Of characters of a string or of elements of an array. */
export interface Count {
  readonly least: number;
  /** Infinity for no limit. */
  readonly most: number;
}

export interface Member {
  readonly name: string;
  readonly value: Expression;
  readonly required: boolean;
}

/** Makes the parts of one constraint. */
export class JsonParts {
  readonly #on: Expressions;
  /** Between two parts of a value: nothing, a space, or a line break with up to 32 spaces. */
  readonly #gap: Expression;
  /** One character of a string, in any of its ways to be written but as half a surrogate pair. */
  readonly #character: Expression;
  readonly #any: Expression[] = [];

  constructor(on: Expressions) {
    this.#on = on;
    this.#gap = on.choice([on.empty, on.text(' '), on.sequence(on.text('\n'), on.repeat(on.text(' '), 0, 32))]);
    const escaped =
      '\\\\(?:["\\\\/bfnrt]|u(?:[0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}|[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}))';
    this.#character = on.choice([this.bare(NOT_BARE), this.#pattern(escaped)]);
  }

  /** One character of a string that stands for itself, and is none of these. */
  bare(but: readonly Range[]): Expression {
    return oneOf(this.#on, othersThan([...NOT_BARE, ...but]), 'plain');
  }

  /** By Unicode code points. */
  string({ least, most }: Count): Expression {
    return this.quoted(this.#on.repeat(this.#character, least, most));
  }

  /** @param inner as it stands between the quotes */
  quoted(inner: Expression): Expression {
    return this.#on.sequence(this.#on.text('"'), inner, this.#on.text('"'));
  }

  number(): Expression {
    return this.#pattern(`-?(?:${NUMBER})`);
  }

  /** A pattern over the text of the number; see number-ranges.ts. */
  numberLike(pattern: string): Expression {
    return this.#pattern(pattern);
  }

  integer(): Expression {
    return this.#pattern(`-?(?:${WHOLE})`);
  }

  boolean(): Expression {
    return this.#on.choice([this.#on.text('true'), this.#on.text('false')]);
  }

  null(): Expression {
    return this.#on.text('null');
  }

  array(element: Expression, { least, most }: Count): Expression {
    const on = this.#on;
    if (most === 0) return on.sequence(on.text('['), this.#gap, on.text(']'));
    const others = on.repeat(
      on.sequence(on.text(','), this.#gap, element, this.#gap),
      Math.max(least - 1, 0),
      most - 1,
    );
    const elements = on.sequence(element, this.#gap, others);
    const content = least > 0 ? elements : on.choice([on.empty, elements]);
    return on.sequence(on.text('['), this.#gap, content, on.text(']'));
  }

  /** These in this order, all of them. */
  fixed(open: '[' | '{', parts: readonly Expression[]): Expression {
    const on = this.#on;
    const close = open === '[' ? ']' : '}';
    const content = parts.flatMap((part, i) => [...(i > 0 ? [on.text(','), this.#gap] : []), part, this.#gap]);
    return on.sequence(on.text(open), this.#gap, ...content, on.text(close));
  }

  member(name: Expression, value: Expression): Expression {
    return this.#on.sequence(name, this.#gap, this.#on.text(':'), this.#gap, value);
  }

  /**
   * Members in any order, each once. @param others of any other name, as often as it likes; null for none. Beside members
   * their names are written without backslashes, since an escape could spell a name of the members.
   */
  object(members: readonly Member[], others: Expression | null): Expression {
    const on = this.#on;
    const known = members.map(({ name, value }) => this.member(on.text(JSON.stringify(name)), value));
    const foreign = others === null ? null : this.member(this.#foreignName(members), others);
    const needed = members.reduce((set, { required }, i) => (required ? set | (1n << BigInt(i)) : set), 0n);
    const spec = {};
    const rest = (seen: bigint, first: boolean): Expression => {
      const due = members.flatMap(({ required }, i) => {
        return required && (seen & (1n << BigInt(i))) === 0n ? [known[i]?.least ?? 0] : [];
      });
      const commas = first ? Math.max(due.length - 1, 0) : due.length;
      const least = due.reduce((sum, bytes) => sum + bytes, 1 + commas);
      return on.later({ of: spec, key: `${seen},${first}`, least }, () => {
        const comma = first ? on.empty : on.sequence(on.text(','), this.#gap);
        const unseen = known.flatMap((member, i) => {
          const bit = 1n << BigInt(i);
          return (seen & bit) === 0n ? [on.sequence(comma, member, this.#gap, rest(seen | bit, false))] : [];
        });
        const more = foreign === null ? [] : [on.sequence(comma, foreign, this.#gap, rest(seen, false))];
        const close = (seen & needed) === needed ? [on.text('}')] : [];
        return on.choice([...close, ...unseen, ...more]);
      });
    };
    return on.sequence(on.text('{'), this.#gap, rest(0n, true));
  }

  /** Any value, nested to some depth. */
  any(levels = MOST_LEVELS): Expression {
    const made = this.#any[levels];
    if (made !== undefined) return made;
    const on = this.#on;
    const value = on.later({ of: this.#any, key: `${levels}`, least: 1 }, () => {
      const scalars = [this.string(anyCount), this.number(), this.boolean(), this.null()];
      if (levels === 0) return on.choice(scalars);
      const inner = this.any(levels - 1);
      return on.choice([...scalars, this.array(inner, anyCount), this.object([], inner)]);
    });
    this.#any[levels] = value;
    return value;
  }

  #foreignName(members: readonly Member[]): Expression {
    if (members.length === 0) return this.string(anyCount);
    const names = members.map(({ name }) => name).filter((name) => JSON.stringify(name) === `"${name}"`);
    return this.#on.sequence(this.#on.text('"'), this.#unlike(names.map((name) => [...name])));
  }

  /** The rest of a name, its quote included, that is the rest of none of these. */
  #unlike(names: readonly (readonly string[])[]): Expression {
    const on = this.#on;
    const end = on.text('"');
    const free = on.sequence(on.repeat(this.bare([]), 0, Infinity), end);
    if (names.length === 0) return free;
    const next = [...new Set(names.flatMap(([first]) => (first === undefined ? [] : [first])))];
    const apart = on.sequence(this.bare(next.map((one) => [one.codePointAt(0) ?? 0, one.codePointAt(0) ?? 0])), free);
    const along = next.map((one) => {
      const rests = names.filter(([first]) => first === one).map((name) => name.slice(1));
      return on.sequence(on.text(one), this.#unlike(rests));
    });
    const here = names.some((name) => name.length === 0) ? [] : [end];
    return on.choice([...here, apart, ...along]);
  }

  #pattern(pattern: string): Expression {
    return patternOf(this.#on, pattern, { meaning: 'whole', writing: 'plain' });
  }
}

const anyCount: Count = { least: 0, most: Infinity };

/** What stands in a string behind a backslash only. */
const NOT_BARE: readonly Range[] = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
];
