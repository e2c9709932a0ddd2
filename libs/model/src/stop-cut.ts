/** Cuts generated text at the first stop string, however the pieces fall. */
export interface StopCut {
  /** Takes the next piece; gives the text that is now certain, '' when none is. */
  push(piece: string): string;
  /** Gives what was held back because it could have become a stop string. */
  end(): string;
  /** True once a stop string came; everything behind it is dropped. */
  readonly stopped: boolean;
}

/** @param stops non-empty strings. Cost of a push: O(piece + longest stop) for each stop. */
export function stopCut(stops: readonly string[]): StopCut {
  const longest = Math.max(0, ...stops.map((stop) => stop.length));
  let held = '';
  let stopped = false;
  return {
    push(piece) {
      if (stopped) return '';
      const text = held + piece;
      const found = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
      stopped = found.length > 0;
      const certain = stopped ? Math.min(...found) : text.length - possibleStart(text, stops, longest);
      held = stopped ? '' : text.slice(certain);
      return text.slice(0, certain);
    },
    end() {
      const rest = held;
      held = '';
      return rest;
    },
    get stopped() {
      return stopped;
    },
  };
}

/** Length of the longest end of `text` with which some stop string begins. */
function possibleStart(text: string, stops: readonly string[], longest: number): number {
  for (let length = Math.min(longest - 1, text.length); length > 0; length--) {
    const end = text.slice(-length);
    if (stops.some((stop) => stop.startsWith(end))) return length;
  }
  return 0;
}
