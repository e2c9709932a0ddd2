/** What a text may be held to, and the expression that it comes to. */
import { InvalidInput, type Problem } from '#errors';
import { type ByteSet, hasByte } from './byte-set.ts';
import { ANY, oneOf } from './characters.ts';
import { type Expression, type Expressions, TooManyStates } from './expressions.ts';
import { Finder } from './finder.ts';
import { PatternFault, patternOf } from './regex.ts';
import { schemaOf } from './schema.ts';

/** A form of texts. */
export type Constraint =
  | { readonly kind: 'literal'; readonly text: string }
  /** A JSON value; `schema` '' for any. With `loose`, what lies outside the subset is passed over. */
  | { readonly kind: 'json'; readonly schema: string; readonly loose: boolean; readonly without: readonly string[] }
  /** Anchored at both ends. */
  | { readonly kind: 'regex'; readonly pattern: string }
  /** In Unicode code points; `most` 0 for no limit. */
  | { readonly kind: 'text'; readonly least: number; readonly most: number; readonly without: readonly string[] }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly Constraint[] }
  | { readonly kind: 'repetition'; readonly part: Constraint; readonly least: number; readonly most: number };

const MOST_LITERAL = 8_192;
const MOST_PARTS = 4_000;
const MOST_LEVELS = 16;
/** Expressions that all parts together may be made of. */
const MOST_MADE = 200_000;
const MOST_TIMES = 10_000;
const MOST_WITHOUT = 16;
const MOST_WITHOUT_CHARACTERS = 256;

export interface ConstraintUse {
  /** The field that holds it, for messages. */
  readonly path: string;
  /** Bytes that tokens of the vocabulary hold. */
  readonly spoken: ByteSet;
}

/** @throws InvalidInput naming each part that cannot be used */
export function expressionOf(on: Expressions, constraint: Constraint, { path, spoken }: ConstraintUse): Expression {
  const reader = new Reader(on, spoken);
  const read = reader.read(constraint, path, 0);
  if (reader.problems.length > 0) throw new InvalidInput(reader.problems);
  if (read === on.never) throw new InvalidInput([{ path, message: 'fits no text at all' }]);
  return read;
}

class Reader {
  readonly problems: Problem[] = [];
  readonly #on: Expressions;
  readonly #spoken: ByteSet;
  #parts = 0;

  constructor(on: Expressions, spoken: ByteSet) {
    this.#on = on;
    this.#spoken = spoken;
  }

  read(constraint: Constraint, path: string, level: number): Expression {
    if (level > MOST_LEVELS) return this.#wrong(path, `is nested deeper than ${MOST_LEVELS} levels`);
    if (++this.#parts > MOST_PARTS) return this.#wrong(path, `makes more than ${MOST_PARTS} parts`);
    if (this.#on.made > MOST_MADE) return this.#wrong(path, 'makes the constraint too large');
    try {
      return this.#read(constraint, path, level);
    } catch (error) {
      if (error instanceof InvalidInput) this.problems.push(...error.problems);
      else if (error instanceof PatternFault) this.#wrong(path, error.message);
      else if (error instanceof TooManyStates) this.#wrong(path, `is too large: it has ${error.message}`);
      else throw error;
      return this.#on.empty;
    }
  }

  #read(constraint: Constraint, path: string, level: number): Expression {
    switch (constraint.kind) {
      case 'literal':
        return this.#literal(constraint.text, path);
      case 'json':
        return this.#without(
          schemaOf(this.#on, constraint.schema, { path, loose: constraint.loose }),
          constraint.without,
          path,
        );
      case 'regex':
        return patternOf(this.#on, constraint.pattern, { meaning: 'whole', writing: 'plain' });
      case 'text':
        return this.#text(constraint, path);
      case 'sequence':
      case 'choice': {
        const { kind, parts } = constraint;
        if (parts.length === 0) return this.#wrong(path, 'has no parts');
        const read = parts.map((part, i) => this.read(part, `${path}[${i}]`, level + 1));
        return kind === 'choice' ? this.#on.choice(read) : this.#on.sequence(...read);
      }
      case 'repetition': {
        const { part, least, most } = constraint;
        if (most < 1 || most > MOST_TIMES || least > most) {
          return this.#wrong(
            path,
            `must be 0 to ${MOST_TIMES} times, at least once at most, but is ${least} to ${most}`,
          );
        }
        return this.#on.repeat(this.read(part, `${path}.part`, level + 1), least, most);
      }
    }
  }

  #literal(text: string, path: string): Expression {
    if (text.length > MOST_LITERAL) {
      return this.#wrong(path, `has ${text.length} characters; at most ${MOST_LITERAL} are taken`);
    }
    if (!text.isWellFormed()) return this.#wrong(path, 'holds half a surrogate pair');
    const mute = [...text].find((one) => !Buffer.from(one).every((byte) => hasByte(this.#spoken, byte)));
    if (mute === undefined) return this.#on.text(text);
    return this.#wrong(path, `holds ${JSON.stringify(mute)}, which no token of the model's vocabulary can write`);
  }

  #text({ least, most, without }: Extract<Constraint, { kind: 'text' }>, path: string): Expression {
    if (most > 0 && least > most) return this.#wrong(path, `has at least ${least} and at most ${most} characters`);
    const words = this.#on.repeat(oneOf(this.#on, ANY, 'plain'), least, most === 0 ? Infinity : most);
    return this.#without(words, without, path);
  }

  #without(inner: Expression, without: readonly string[], path: string): Expression {
    if (without.length === 0) return inner;
    if (without.length > MOST_WITHOUT) {
      return this.#wrong(`${path}.without`, `has ${without.length} strings; at most ${MOST_WITHOUT} are taken`);
    }
    const odd = without.findIndex((one) => one === '' || one.length > MOST_WITHOUT_CHARACTERS);
    if (odd >= 0) {
      return this.#wrong(`${path}.without[${odd}]`, `must have 1 to ${MOST_WITHOUT_CHARACTERS} characters`);
    }
    return this.#on.without(new Finder(without.map((one) => Buffer.from(one))), 0, inner);
  }

  #wrong(path: string, message: string): Expression {
    this.problems.push({ path, message });
    return this.#on.empty;
  }
}
