/** Keeps replies to constraints, whatever the model would say. */
import { CLOSING, OPENING } from '../channels.ts';
import type { BytesOf } from '../detokenize.ts';
import { type ByteSet, byteSet } from './byte-set.ts';
import { type Constraint, expressionOf } from './constraint.ts';
import { type Expression, Expressions, TooManyStates } from './expressions.ts';
import { ConstraintTooLarge, NothingCanFollow } from './faults.ts';
import { Finder } from './finder.ts';
import { type Mask, Masks } from './masks.ts';
import { type TokenTrie, tokenTrie } from './token-trie.ts';

/** What constraints are told of their model. */
export interface Vocabulary {
  /** Ids below this. */
  readonly size: number;
  /** None for tokens that end a reply. */
  readonly bytesOf: BytesOf;
  readonly endIds: ReadonlySet<number>;
}

/** What one reply is held to. */
export interface Held {
  /** For what comes behind the reasoning; null for anything. `path` names the field that it came in. */
  readonly constraint: { readonly form: Constraint; readonly path: string } | null;
  /** Tokens behind which the reasoning is closed; null for no bound. */
  readonly reasoningTokens: number | null;
  /** Whether the prompt opened the reasoning already. */
  readonly isReasoning: boolean;
  /** Strings that would end the reply before it is whole: it does without them. */
  readonly stop: readonly string[];
}

/** Constraints that are kept ready, those of the tools of a run mostly. */
const MOST_READY = 8;

/** Makes guides for one vocabulary. */
export class Guides {
  readonly #trie: TokenTrie;
  readonly #endIds: ReadonlySet<number>;
  readonly #bytesOf: BytesOf;
  readonly #spoken: ByteSet;
  readonly #ready = new Map<string, Automaton>();

  /** Cost half a second for 150,000 tokens. */
  constructor({ size, bytesOf, endIds }: Vocabulary) {
    this.#trie = tokenTrie(size, bytesOf);
    this.#endIds = endIds;
    this.#bytesOf = bytesOf;
    const { bytes, nodes } = this.#trie;
    this.#spoken = byteSet([...new Set(bytes.subarray(0, nodes))].map((byte) => [byte, byte]));
  }

  /** @throws InvalidInput naming what of the constraint cannot be used */
  guide(held: Held): Guide {
    const { reasoningTokens, ...rest } = held;
    const key = JSON.stringify({ ...rest, thinks: reasoningTokens !== 0 });
    const automaton = this.#ready.get(key) ?? this.#automatonOf(held);
    this.#ready.delete(key);
    this.#ready.set(key, automaton);
    const [oldest] = this.#ready.keys();
    if (this.#ready.size > MOST_READY && oldest !== undefined) this.#ready.delete(oldest);
    return new Guide(automaton, { bytesOf: this.#bytesOf, reasoningTokens });
  }

  #automatonOf({ constraint, reasoningTokens, isReasoning, stop }: Held): Automaton {
    const on = new Expressions();
    const use = { path: constraint?.path ?? '', spoken: this.#spoken };
    const content = constraint === null ? null : expressionOf(on, constraint.form, use);
    const whole = wholeOf(on, content, { thinks: reasoningTokens !== 0, isReasoning });
    const hasStops = content !== null && stop.length > 0;
    const start = hasStops ? on.without(finderOf(stop), 0, whole) : whole;
    on.keep();
    return { on, start, masks: new Masks(on, this.#trie, this.#endIds) };
  }
}

interface Automaton {
  readonly on: Expressions;
  readonly start: Expression;
  readonly masks: Masks;
}

/** @param content null for anything */
function wholeOf(
  on: Expressions,
  content: Expression | null,
  { thinks, isReasoning }: { readonly thinks: boolean; readonly isReasoning: boolean },
): Expression {
  const anything = on.repeat(on.bytes(byteSet([[0, 255]])), 0, Infinity);
  // Models part their reasoning from what follows by up to two line breaks.
  const behind = content === null ? anything : on.sequence(on.repeat(on.text('\n'), 0, 2), content);
  const thinking = on.until(finderOf([CLOSING]), 0, behind);
  if (isReasoning) return thinking;
  if (!thinks) return content ?? on.without(finderOf([OPENING]), 0, anything);
  return on.choice([on.sequence(on.text(OPENING), thinking), content ?? anything]);
}

function finderOf(strings: readonly string[]): Finder {
  return new Finder(strings.map((one) => Buffer.from(one)));
}

/** Keeps one reply to what it is held to: which tokens may come next, token by token. */
export class Guide {
  readonly #on: Expressions;
  readonly #masks: Masks;
  readonly #bytesOf: BytesOf;
  readonly #reasoningTokens: number | null;
  #state: Expression;
  #thought = 0;
  #isCut = false;

  constructor(
    { on, start, masks }: Automaton,
    { bytesOf, reasoningTokens }: Pick<Vocabulary, 'bytesOf'> & Pick<Held, 'reasoningTokens'>,
  ) {
    this.#on = on;
    this.#masks = masks;
    this.#bytesOf = bytesOf;
    this.#reasoningTokens = reasoningTokens;
    this.#state = start;
    this.#endThoughts();
  }

  /**
   * Those that may come next. When the tokens run out, those that lead to an end in time, if it is not too late for that.
   * @param left tokens that the reply may still have
   * @throws ConstraintTooLarge, and NothingCanFollow where the vocabulary has no token for it
   */
  allowed(left: number): Mask {
    const { mask, isEmpty } = this.#bounded(() => this.#masks.of(this.#state));
    if (isEmpty) throw new NothingCanFollow();
    const hurried = this.#bounded(() => this.#masks.inTime(this.#state, left));
    if (hurried.isEmpty || hurried.mask.every((word, i) => word === mask[i])) return mask;
    this.#isCut = true;
    return hurried.mask;
  }

  /** True once the reply was brought to its end for want of tokens. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** True where the text is whole and nothing may follow. */
  get isOver(): boolean {
    return this.#state === this.#on.empty;
  }

  /** @param id an allowed one that does not end the reply @throws ConstraintTooLarge */
  take(id: number): void {
    this.#bounded(() => {
      for (const byte of this.#bytesOf(id)) this.#state = this.#on.after(this.#state, byte);
    });
    this.#thought++;
    this.#endThoughts();
    this.#on.trim();
  }

  /** Writes the closing tag, what has come of it included, when the reasoning has had its tokens. */
  #endThoughts(): void {
    if (this.#reasoningTokens === null || this.#thought < this.#reasoningTokens) return;
    this.#state = closed(this.#on, this.#state) ?? this.#state;
  }

  #bounded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof TooManyStates)) throw error;
      // Or the next reply under this constraint would find no room, whatever it says.
      this.#on.trim();
      throw new ConstraintTooLarge(error.message, { cause: error });
    }
  }
}

/** Null for a state that is not in the reasoning. */
function closed(on: Expressions, { form }: Expression): Expression | null {
  switch (form.kind) {
    case 'until':
      return on.sequence(on.text(CLOSING.slice(form.state)), form.rest);
    case 'choice':
      return form.options.map((one) => closed(on, one)).find((one) => one !== null) ?? null;
    case 'without': {
      const inner = closed(on, form.inner);
      return inner === null ? null : on.without(form.finder, form.state, inner);
    }
    case 'never':
    case 'empty':
    case 'bytes':
    case 'literal':
    case 'sequence':
    case 'repeat':
    case 'later':
      return null;
  }
}
