/** What must be known of a span to decide whether it is kept. */
export interface EndedSpan {
  readonly failed: boolean;
  readonly ms: number;
}

export interface FragmentRules {
  /** Most spans that wait for their fragment to end, of all fragments together; what comes beyond them is lost. */
  readonly mostHeld: number;
  /** A fragment whose first span took so long is kept. */
  readonly slowMs: number;
}

/** One process' part of a trace: a span that something outside led to, and all that is under it here. */
interface Fragment<S> {
  readonly first: S;
  readonly held: S[];
  failed: boolean;
  /** Null until its first span has ended. */
  kept: boolean | null;
}

/** What becomes of spans when one ends. */
export interface Verdict<S> {
  readonly keep: readonly S[];
  /** Lost for want of room, although nobody knows yet whether they are of use. */
  readonly lost: number;
}

/**
 * Which spans of traces that are not sampled are kept all the same: those of a fragment in which something failed or
 * whose first span was slow. Nobody knows that before the fragment's first span has ended, so that they wait here for it,
 * in bounded number. No clock, no I/O.
 */
export class Fragments<S extends object> {
  readonly #rules: FragmentRules;
  readonly #of = new WeakMap<object, Fragment<S>>();
  #held = 0;

  constructor(rules: FragmentRules) {
    this.#rules = rules;
  }

  /** Spans that wait. */
  get held(): number {
    return this.#held;
  }

  /** @param parent the span of this process that it is under; undefined where it is the first here */
  begun(span: S, parent: object | undefined): void {
    const fragment = parent === undefined ? undefined : this.#of.get(parent);
    this.#of.set(span, fragment ?? { first: span, held: [], failed: false, kept: null });
  }

  ended(span: S, { failed, ms }: EndedSpan): Verdict<S> {
    const fragment = this.#of.get(span);
    if (fragment === undefined) return { keep: [], lost: 0 };
    fragment.failed ||= failed;
    if (fragment.first === span) return { keep: this.#decide(fragment, ms), lost: 0 };
    if (fragment.kept !== null) return { keep: fragment.kept || failed ? [span] : [], lost: 0 };
    if (this.#held >= this.#rules.mostHeld) return { keep: [], lost: 1 };
    this.#held += 1;
    fragment.held.push(span);
    return { keep: [], lost: 0 };
  }

  #decide(fragment: Fragment<S>, ms: number): readonly S[] {
    const held = fragment.held.splice(0);
    this.#held -= held.length;
    fragment.kept = fragment.failed || ms >= this.#rules.slowMs;
    return fragment.kept ? [...held, fragment.first] : [];
  }
}
