/** Finds thinking, tool calls and answers in generated text while it comes. Knows the tags, not what they mean to a run. */

/** A tagged stretch. Offsets are UTF-16 units of the text: `from` and `to` with its tags, `start` and `end` without. */
export interface Segment {
  readonly kind: 'think' | 'call' | 'answer';
  readonly from: number;
  readonly start: number;
  readonly end: number;
  readonly to: number;
  /** False where no closing tag came. */
  readonly closed: boolean;
  /** The `<code>` body of a call. */
  readonly code?: CodeBody;
}

/** `start` and `end` without its tags, `from` with the opening one. */
export interface CodeBody {
  readonly from: number;
  readonly start: number;
  readonly end: number;
  readonly closed: boolean;
}

/** The segments of a text that is already whole. */
export function segmentsOf(text: string): readonly Segment[] {
  const segmenter = new Segmenter();
  segmenter.push(text);
  return segmenter.end(text);
}

type Tag = '<think>' | '</think>' | '<tool_call>' | '</tool_call>' | '<code>' | '</code>' | '<answer>' | '</answer>';
type State = 'outside' | 'think' | 'answer' | 'json' | 'broken' | 'behind-json' | 'code' | 'behind-code';

const WHITE = /\s/;

/** Tags that end or change a state. */
const TAGS: Readonly<Record<State, readonly Tag[]>> = {
  outside: ['<think>', '<tool_call>', '<answer>'],
  think: ['</think>'],
  answer: ['</answer>', '<tool_call>'],
  json: [],
  broken: ['</tool_call>'],
  'behind-json': ['</tool_call>', '<code>'],
  code: ['</code>'],
  'behind-code': ['</tool_call>'],
};

/** While nothing opened thinking, its end may still come: servers may put the opening tag into the prompt. */
const BEFORE_THOUGHT: Readonly<Record<State, readonly Tag[]>> = {
  ...TAGS,
  outside: [...TAGS.outside, '</think>'],
  answer: [...TAGS.answer, '<think>', '</think>'],
  broken: [...TAGS.broken, '<think>', '</think>'],
};

/**
 * The state machine. Its rules:
 * - A `</think>` without a `<think>` anywhere before it makes all before it thinking.
 * - A call's JSON ends with the brace that closes its first one; tags in its strings are text. Behind it only `<code>` and
 *   the closing tag may follow. A call that keeps to neither is broken and ends at the next `</tool_call>`.
 * - A `<code>` body ends at the first `</code>` behind which `</tool_call>` or nothing follows.
 * - An answer holds any tag but its own end. One that is never closed ends at the first `<tool_call>` in it.
 */
export class Segmenter {
  readonly #segments: Segment[] = [];
  /** Text that begins at offset `#base`; what is before `#at` in it is consumed. */
  #window = '';
  #base: number;
  #at = 0;
  #state: State = 'outside';
  #thought: boolean;
  /** Set when no `</answer>` can come. */
  readonly #answersStayOpen: boolean;
  /** Of the open segment, as offsets. */
  #from = 0;
  #start = 0;
  #codeFrom = 0;
  #codeEnd = 0;
  #callInAnswer = -1;
  /** Of the open JSON. */
  #depth = 0;
  #inString = false;

  constructor(base = 0, answersStayOpen = false) {
    this.#base = base;
    this.#thought = answersStayOpen;
    this.#answersStayOpen = answersStayOpen;
  }

  push(piece: string): void {
    const rest = this.#window.slice(this.#at);
    this.#base += this.#at;
    this.#window = rest === '' ? piece : rest + piece;
    this.#at = 0;
    while (this.#step()) {
      // Each step consumes text or changes the state.
    }
  }

  /** @param text all that was pushed, and what stood before the base */
  end(text: string): readonly Segment[] {
    const reopened = this.#state === 'answer' && this.#callInAnswer >= 0;
    const end = reopened ? this.#callInAnswer : text.length;
    if (this.#state !== 'outside') this.#close(end, end, false);
    if (!reopened) return this.#segments;
    const behind = new Segmenter(end, true);
    behind.push(text.slice(end));
    return [...this.#segments, ...behind.end(text)];
  }

  /** False when more text is needed to go on. */
  #step(): boolean {
    switch (this.#state) {
      case 'json':
        return this.#json();
      case 'behind-json':
      case 'behind-code':
        return this.#behind();
      case 'outside':
      case 'think':
      case 'answer':
      case 'broken':
      case 'code': {
        const tag = this.#seek();
        if (tag !== null) this.#meet(tag);
        return tag !== null;
      }
    }
  }

  /** The next tag that matters, with the cursor behind it; null with the cursor where one may begin. */
  #seek(): Tag | null {
    for (;;) {
      const at = this.#window.indexOf('<', this.#at);
      this.#at = at < 0 ? this.#window.length : at;
      const tag = at < 0 ? 'cut' : this.#tagHere();
      if (tag === 'cut') return null;
      this.#at += tag?.length ?? 1;
      if (tag !== null) return tag;
    }
  }

  /** The tag at the cursor; null for none, 'cut' where the text ends within what may be one. */
  #tagHere(): Tag | 'cut' | null {
    const rest = this.#window.length - this.#at;
    for (const tag of (this.#thought ? TAGS : BEFORE_THOUGHT)[this.#state]) {
      if (this.#window.startsWith(tag, this.#at)) return tag;
      if (rest < tag.length && tag.startsWith(this.#window.slice(this.#at))) return 'cut';
    }
    return null;
  }

  /** The cursor stands behind `tag`. */
  #meet(tag: Tag): void {
    const to = this.#base + this.#at;
    const from = to - tag.length;
    switch (tag) {
      case '<think>':
        this.#thought = true;
        if (this.#state === 'outside') this.#open('think', from);
        break;
      case '</think>':
        if (this.#thought) this.#close(from, to, true);
        else this.#allWasThinking(from, to);
        break;
      case '<answer>':
        this.#open('answer', from);
        break;
      case '<tool_call>':
        this.#meetCall(from);
        break;
      case '<code>':
        this.#codeFrom = from;
        this.#state = 'code';
        break;
      case '</code>':
        this.#codeEnd = from;
        this.#state = 'behind-code';
        break;
      case '</answer>':
      case '</tool_call>':
        this.#close(from, to, true);
    }
  }

  #meetCall(from: number): void {
    if (this.#state === 'answer' && !this.#answersStayOpen) {
      if (this.#callInAnswer < 0) this.#callInAnswer = from;
      return;
    }
    if (this.#state === 'answer') this.#close(from, from, false);
    this.#open('json', from);
  }

  #open(state: 'think' | 'answer' | 'json', from: number): void {
    this.#state = state;
    this.#from = from;
    this.#start = this.#base + this.#at;
    this.#callInAnswer = -1;
    this.#codeFrom = -1;
    this.#depth = 0;
    this.#inString = false;
  }

  #close(end: number, to: number, closed: boolean): void {
    const state = this.#state;
    const kind = state === 'think' || state === 'answer' ? state : 'call';
    const place = { kind, from: this.#from, start: this.#start, end, to, closed } as const;
    this.#state = 'outside';
    const whole = state === 'behind-code';
    const from = this.#codeFrom;
    const code = { from, start: from + '<code>'.length, end: whole ? this.#codeEnd : end, closed: whole };
    this.#segments.push(from < 0 ? place : { ...place, code });
  }

  #allWasThinking(end: number, to: number): void {
    this.#segments.length = 0;
    this.#segments.push({ kind: 'think', from: 0, start: 0, end, to, closed: true });
    this.#state = 'outside';
    this.#thought = true;
  }

  /** Up to the brace that closes the first one. */
  #json(): boolean {
    for (; this.#at < this.#window.length; this.#at++) {
      const character = this.#window[this.#at] ?? '';
      if (this.#inString) {
        if (character === '\n') return this.#turn('broken');
        if (character === '\\' && this.#at + 1 === this.#window.length) return false;
        if (character === '\\') this.#at++;
        if (character === '"') this.#inString = false;
      } else if (character === '{') this.#depth++;
      else if (this.#depth === 0 ? !WHITE.test(character) : character === '<') return this.#turn('broken');
      else if (character === '"') this.#inString = true;
      else if (character === '}' && --this.#depth === 0) {
        this.#at++;
        return this.#turn('behind-json');
      }
    }
    return false;
  }

  /** White space, then a tag that belongs here; anything else shows that this was not the end. */
  #behind(): boolean {
    while (WHITE.test(this.#window[this.#at] ?? '')) this.#at++;
    if (this.#at === this.#window.length) return false;
    const tag = this.#tagHere();
    if (tag === 'cut') return false;
    if (tag === null) return this.#turn(this.#state === 'behind-code' ? 'code' : 'broken');
    this.#at += tag.length;
    this.#meet(tag);
    return true;
  }

  #turn(state: State): true {
    this.#state = state;
    return true;
  }
}
