/** Languages of bytes as expressions that are taken apart by derivatives (Brzozowski, JACM 11(4), 1964). */
import { type ByteSet, hasByte } from './byte-set.ts';
import { type Finder, FOUND } from './finder.ts';

/** What an expression says of the bytes that may follow. */
type Form =
  /** Nothing, not even the end. */
  | { readonly kind: 'never' }
  /** The end. */
  | { readonly kind: 'empty' }
  /** One byte of these. */
  | { readonly kind: 'bytes'; readonly set: ByteSet }
  /** These bytes from `at` on, which is before their end. */
  | { readonly kind: 'literal'; readonly bytes: Uint8Array; readonly at: number }
  | { readonly kind: 'sequence'; readonly first: Expression; readonly rest: Expression }
  | { readonly kind: 'choice'; readonly options: readonly Expression[] }
  | { readonly kind: 'repeat'; readonly item: Expression; readonly least: number; readonly most: number }
  /** What `expand` gives: made when it is needed, since there may be no end of it. */
  | { readonly kind: 'later'; readonly expand: () => Expression }
  /** Any bytes up to the first time that a string is complete, then the rest. */
  | { readonly kind: 'until'; readonly finder: Finder; readonly state: number; readonly rest: Expression }
  /** The inner one, as long as no string is complete. */
  | { readonly kind: 'without'; readonly finder: Finder; readonly state: number; readonly inner: Expression };

/** A language, and so a state of the automaton: equal ones are the same object, as far as their table still knows them. */
export interface Expression {
  readonly id: number;
  readonly form: Form;
  /** Whether the text may end here. */
  readonly nullable: boolean;
  /** Bytes of the shortest text; a little less than that where strings are done without. */
  readonly least: number;
  /** By byte, what may follow behind it, as far as it was asked for; of {@link Expressions} alone. */
  row: (Expression | undefined)[] | null;
  /** As {@link Expressions.near} has it, once it was asked for. */
  near: Expression | null;
}

/** Names what is made when it is needed. */
interface Later {
  readonly of: object;
  readonly key: string;
  readonly least: number;
}

/** A state that has grown beyond what is kept; says so of the constraint, whose fault it is. */
export class TooManyStates extends Error {
  override readonly name = 'TooManyStates';
}

/** Rows of derivatives that one table keeps, at two kilobytes each. */
const MOST_ROWS = 8_000;
/** Rows that one token may come to before any is forgotten. */
const MOST_AT_ONCE = 50_000;
/** Expressions that it keeps beside the constraint's own. */
const MOST_KEPT = 40_000;
/** Options of one choice: each byte costs as many. */
const MOST_OPTIONS = 1_024;

/** Makes expressions and takes them apart. Memory is bounded: what is derived is forgotten when there is too much of it. */
export class Expressions {
  readonly never: Expression;
  readonly empty: Expression;
  #table = new Map<string, Expression>();
  #kept: ReadonlyMap<string, Expression> = new Map();
  #lastId = 0;
  #derived = 0;
  #rows = 0;
  readonly #names = new Map<object, number>();
  readonly #texts = new Map<string, Uint8Array>();

  constructor() {
    this.never = this.#make('never', { kind: 'never' }, Infinity);
    this.empty = this.#make('empty', { kind: 'empty' }, 0);
  }

  /** So many were made so far, the forgotten ones included. */
  get made(): number {
    return this.#lastId;
  }

  /** What was derived so far, in derivatives of one option: what was looked up is not counted. */
  get derived(): number {
    return this.#derived;
  }

  /** What is there by now is never forgotten: the constraint itself, before anything was derived of it. */
  keep(): void {
    this.#kept = new Map(this.#table);
  }

  /** Forgets what was derived, if that is too much. Whoever holds a state can go on with it. */
  trim(): void {
    if (this.#rows < MOST_ROWS) return;
    this.#rows = 0;
    const isFull = this.#table.size > this.#kept.size + MOST_KEPT;
    for (const one of this.#table.values()) {
      one.row = null;
      if (isFull) one.near = null;
    }
    if (isFull) this.#table = new Map(this.#kept);
  }

  bytes(set: ByteSet): Expression {
    if (set.every((word) => word === 0)) return this.never;
    return this.#make(`b${set.join()}`, { kind: 'bytes', set }, 1);
  }

  /** @param text well-formed */
  text(text: string): Expression {
    const bytes = this.#texts.get(text) ?? Buffer.from(text);
    this.#texts.set(text, bytes);
    return this.#literal(bytes, 0);
  }

  sequence(...parts: readonly Expression[]): Expression {
    return parts.reduceRight((rest, part) => this.#pair(part, rest), this.empty);
  }

  /** @throws TooManyStates */
  choice(options: readonly Expression[]): Expression {
    const flat = options.flatMap((one) => (one.form.kind === 'choice' ? one.form.options : [one]));
    const different = [...new Set(flat)].filter((one) => one !== this.never).sort((a, b) => a.id - b.id);
    const [first = this.never, ...others] = different;
    if (others.length === 0) return first;
    if (different.length > MOST_OPTIONS) throw new TooManyStates(`${different.length} ways to go on at one place`);
    const least = different.reduce((bytes, one) => Math.min(bytes, one.least), Infinity);
    return this.#make(`c${different.map(({ id }) => id).join()}`, { kind: 'choice', options: different }, least);
  }

  /** @param most at least `least`; Infinity for no limit */
  repeat(item: Expression, least: number, most: number): Expression {
    if (most === 0 || item === this.empty) return this.empty;
    if (item === this.never) return least === 0 ? this.empty : this.never;
    if (least === 1 && most === 1) return item;
    const needed = item.nullable ? 0 : least;
    return this.#make(
      `r${item.id},${needed},${most}`,
      { kind: 'repeat', item, least: needed, most },
      needed * item.least,
    );
  }

  /** @param key equal for equal expansions of `of`, and for no other @param expand what has this `least`, above 0 */
  later({ of, key, least }: Later, expand: () => Expression): Expression {
    let made: Expression | null = null;
    const once = (): Expression => {
      made ??= expand();
      return made;
    };
    return this.#make(`l${this.#nameOf(of)},${key}`, { kind: 'later', expand: once }, least);
  }

  /** @param finder of one string */
  until(finder: Finder, state: number, rest: Expression): Expression {
    if (rest === this.never) return rest;
    const least = finder.longest - state + rest.least;
    return this.#make(`u${this.#nameOf(finder)},${state},${rest.id}`, { kind: 'until', finder, state, rest }, least);
  }

  without(finder: Finder, state: number, inner: Expression): Expression {
    if (inner === this.never || inner === this.empty) return inner;
    const key = `w${this.#nameOf(finder)},${state},${inner.id}`;
    return this.#make(key, { kind: 'without', finder, state, inner }, inner.least);
  }

  /** What may follow behind a byte. @throws TooManyStates */
  after(from: Expression, byte: number): Expression {
    const known = from.row?.[byte];
    if (known !== undefined) return known;
    if (from.row === null && ++this.#rows > MOST_AT_ONCE) throw new TooManyStates(`more than ${MOST_AT_ONCE} states`);
    from.row ??= new Array<Expression | undefined>(256);
    this.#derived++;
    const derived = this.#derive(from, byte);
    from.row[byte] = derived;
    return derived;
  }

  /**
   * An expression that agrees with this one for so many bytes, the end included: counts too far off to matter are not
   * told apart, so that all the middle of a long string is one state.
   * @param bytes the same in all calls
   */
  near(of: Expression, bytes: number): Expression {
    of.near ??= this.#near(of, bytes);
    return of.near;
  }

  #near(of: Expression, bytes: number): Expression {
    const { form } = of;
    switch (form.kind) {
      case 'sequence':
        return this.sequence(this.near(form.first, bytes), this.near(form.rest, bytes));
      case 'choice':
        return this.choice(form.options.map((one) => this.near(one, bytes)));
      case 'repeat': {
        const most = form.most > bytes ? Infinity : form.most;
        return this.repeat(form.item, Math.min(form.least, bytes + 1), most);
      }
      case 'without':
        return this.without(form.finder, form.state, this.near(form.inner, bytes));
      case 'never':
      case 'empty':
      case 'bytes':
      case 'literal':
      case 'later':
      case 'until':
        return of;
    }
  }

  #derive({ form }: Expression, byte: number): Expression {
    switch (form.kind) {
      case 'never':
      case 'empty':
        return this.never;
      case 'bytes':
        return hasByte(form.set, byte) ? this.empty : this.never;
      case 'literal':
        return form.bytes[form.at] === byte ? this.#literal(form.bytes, form.at + 1) : this.never;
      case 'sequence': {
        const through = this.#pair(this.after(form.first, byte), form.rest);
        return form.first.nullable ? this.choice([through, this.after(form.rest, byte)]) : through;
      }
      case 'choice':
        this.#derived += form.options.length;
        return this.choice(form.options.map((one) => this.after(one, byte)));
      case 'repeat': {
        const again = this.repeat(form.item, Math.max(form.least - 1, 0), form.most - 1);
        return this.#pair(this.after(form.item, byte), again);
      }
      case 'later':
        return this.after(form.expand(), byte);
      case 'until': {
        const state = form.finder.next(form.state, byte);
        return state === FOUND ? form.rest : this.until(form.finder, state, form.rest);
      }
      case 'without': {
        const state = form.finder.next(form.state, byte);
        return state === FOUND ? this.never : this.without(form.finder, state, this.after(form.inner, byte));
      }
    }
  }

  #literal(bytes: Uint8Array, at: number): Expression {
    if (at >= bytes.length) return this.empty;
    return this.#make(`t${this.#nameOf(bytes)},${at}`, { kind: 'literal', bytes, at }, bytes.length - at);
  }

  #pair(first: Expression, rest: Expression): Expression {
    const { form } = first;
    if (first === this.never || rest === this.never) return this.never;
    if (first === this.empty) return rest;
    if (rest === this.empty) return first;
    if (form.kind === 'sequence') return this.#pair(form.first, this.#pair(form.rest, rest));
    return this.#make(`s${first.id},${rest.id}`, { kind: 'sequence', first, rest }, first.least + rest.least);
  }

  #nameOf(one: object): number {
    const name = this.#names.get(one) ?? this.#names.size;
    this.#names.set(one, name);
    return name;
  }

  #make(key: string, form: Form, least: number): Expression {
    const known = this.#table.get(key);
    if (known !== undefined) return known;
    const made: Expression = { id: ++this.#lastId, form, nullable: least === 0, least, row: null, near: null };
    this.#table.set(key, made);
    return made;
  }
}
