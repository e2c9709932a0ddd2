/** Reads generated text while it comes: ends it where it must end, and finds its parts. */
import { type Repetition, RepetitionWatch } from './repetition.ts';
import { type Segment, Segmenter, segmentsOf } from './segments.ts';
import { StopCut } from './stop-cut.ts';

/** A whole generation. */
export interface Output {
  /** What was generated, up to the first stop string. NUL and halves of surrogate pairs are U+FFFD, as they are stored. */
  readonly text: string;
  /** In order. Nothing inside a segment is another one: a call in thinking is thinking. */
  readonly segments: readonly Segment[];
  /** Set when the text ran in a circle; it is then cut behind the first round. */
  readonly repetition: Repetition | null;
}

/** Takes generated text piece by piece. The result does not depend on where the pieces begin and end. */
export class OutputParser {
  readonly #cut: StopCut;
  readonly #repetition = new RepetitionWatch();
  readonly #segmenter = new Segmenter();

  /** @param stops strings that end the text */
  constructor(stops: readonly string[]) {
    this.#cut = new StopCut(stops);
  }

  /** Takes the next piece; gives the text that is now certain, '' when none is. Cost O(piece). */
  push(piece: string): string {
    return this.#take(this.#cut.push(piece));
  }

  /** True once nothing that may come can matter: a stop string came, or the text runs in a circle. */
  get stopped(): boolean {
    return this.#cut.stopped || this.#repetition.found !== null;
  }

  /** At the end of the text: gives what was held back because it could have become a stop string. */
  flush(): string {
    return this.#take(this.#cut.end());
  }

  end(): Output {
    this.flush();
    const { found, text } = this.#repetition;
    const kept = found === null ? text : text.slice(0, found.end);
    const segments = found === null ? this.#segmenter.end(kept) : segmentsOf(kept);
    // Each bad unit is replaced by one, so that the offsets hold.
    return { text: kept.toWellFormed().replaceAll('\0', '\ufffd'), segments, repetition: found };
  }

  #take(certain: string): string {
    const kept = certain.slice(0, this.#repetition.push(certain));
    this.#segmenter.push(kept);
    return kept;
  }
}
