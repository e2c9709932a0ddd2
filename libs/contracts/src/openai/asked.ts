import type { Problem } from '#errors';

/** A conversation as a run takes it. */
export interface Asked {
  readonly question: string;
  /** Instructions and what was said before; absent where there is neither. */
  readonly preface?: string;
}

/** Sources of a run as a body names them; checked later, as those of `POST /v1/research`. */
export type RawSources = Readonly<Record<string, unknown>>;

/** Why something cannot be asked for. */
export interface Refused {
  readonly problem: Problem;
}
