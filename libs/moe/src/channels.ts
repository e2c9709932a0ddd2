/** Parts a reply at the model's thinking tags. */
import { possibleStart } from './held-back.ts';

/** `reasoning` is what stands between the thinking tags, both included; all text of a reply is in one of the two. */
export type Channel = 'reasoning' | 'content';

export interface Piece {
  readonly channel: Channel;
  readonly text: string;
}

/** The tags of reasoning. */
export const OPENING = '<think>';
export const CLOSING = '</think>';

/** True for a prompt whose reply begins in the middle of the reasoning. */
export function opensReasoning(prompt: string): boolean {
  return prompt.trimEnd().endsWith(OPENING);
}

/** The pieces joined are the text as it was generated, tags included. */
export class ChannelSplitter {
  #channel: Channel;
  #held = '';

  /** @param prompt the text that the reply continues: one that ends with an open tag starts in `reasoning` */
  constructor(prompt: string) {
    this.#channel = opensReasoning(prompt) ? 'reasoning' : 'content';
  }

  /** Where the next text goes, as far as is known. */
  get channel(): Channel {
    return this.#channel;
  }

  /** Takes the next text; gives what is certain, which may lag behind by less than a tag. Cost O(held + text). */
  push(text: string): Piece[] {
    const pieces: Piece[] = [];
    let rest = this.#held + text;
    for (;;) {
      const tag = this.#channel === 'content' ? OPENING : CLOSING;
      const at = rest.indexOf(tag);
      if (at < 0) break;
      const cut = this.#channel === 'content' ? at : at + CLOSING.length;
      if (cut > 0) pieces.push({ channel: this.#channel, text: rest.slice(0, cut) });
      rest = rest.slice(cut);
      // An opening tag is reasoning itself: what it opens is looked at with the tag still in front of it.
      this.#channel = this.#channel === 'content' ? 'reasoning' : 'content';
    }
    // A closing tag may be cut anywhere without changing its channel; what comes behind it must be told apart.
    const held = possibleStart(rest, [this.#channel === 'content' ? OPENING : CLOSING]);
    if (rest.length > held) pieces.push({ channel: this.#channel, text: rest.slice(0, rest.length - held) });
    this.#held = rest.slice(rest.length - held);
    return pieces;
  }

  /** At the end of the text: what was held back. */
  end(): Piece[] {
    const held = this.#held;
    this.#held = '';
    return held === '' ? [] : [{ channel: this.#channel, text: held }];
  }
}
