/**
 * Zero-width, bidirectional and tag characters hide words or reorder them; soft hyphens cut them. Joiners stay: they are
 * letters' business in Persian and in the scripts of India.
 */
const UNSEEN = /[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;

/** A text of others without the characters that its readers would not see and a model would. Cost O(length). */
export function visible(text: string): string {
  return text.replace(UNSEEN, '');
}
