/** Which rows of a long list are drawn: those in sight and some around them. */
export interface Window {
  readonly first: number;
  /** Behind the last one. */
  readonly end: number;
}

/** Rows drawn beyond either edge, so that a fast scroll finds something there. */
const margin = 12;

/** @param top pixels that are scrolled away; `height` those in sight; `rowHeight` of each row */
export function windowOf(
  count: number,
  { top, height, rowHeight }: { top: number; height: number; rowHeight: number },
): Window {
  const first = Math.max(0, Math.floor(top / rowHeight) - margin);
  const end = Math.min(count, Math.ceil((top + height) / rowHeight) + margin);
  return { first: Math.min(first, end), end };
}
