/** Whole numbers in bounds as patterns over their decimal digits. */

/** Numbers are written with so many digits at most before their point, and bounds are below that. */
export const MOST_WHOLE = 10 ** 15 - 1;

const FRACTION = '(?:\\.\\d{1,16})?';
const ZEROS = '(?:\\.0{1,16})?';

/** @param least, most whole numbers, at most {@link MOST_WHOLE} from zero; `least` at most `most` */
export function integerPattern(least: number, most: number): string {
  const below = least < 0 ? [`-(?:${digitsPattern(Math.max(-most, 0), -least)})`] : [];
  const above = most >= 0 ? [digitsPattern(Math.max(least, 0), most)] : [];
  return [...below, ...above].join('|');
}

/** Numbers with and without a fraction, and without an exponent; the bounds as in {@link integerPattern}. */
export function numberPattern(least: number, most: number): string {
  const below = least < 0 ? [`-(?:${magnitudePattern(Math.max(-most, 0), -least)})`] : [];
  const above = most >= 0 ? [magnitudePattern(Math.max(least, 0), most)] : [];
  return [...below, ...above].join('|');
}

function magnitudePattern(least: number, most: number): string {
  const edge = `(?:${most})${ZEROS}`;
  return least === most ? edge : `(?:${digitsPattern(least, most - 1)})${FRACTION}|${edge}`;
}

/** From 0 upwards, cut where the number of digits changes. */
function digitsPattern(least: number, most: number): string {
  const patterns: string[] = [];
  for (let from = least; from <= most; ) {
    const to = Math.min(most, 10 ** String(from).length - 1);
    patterns.push(between(String(from), String(to)));
    from = to + 1;
  }
  return patterns.join('|');
}

/** Of equal lengths. */
function between(from: string, to: string): string {
  const [first, last] = [Number(from[0]), Number(to[0])];
  const [low, high] = [from.slice(1), to.slice(1)];
  const nines = '9'.repeat(low.length);
  const zeros = '0'.repeat(low.length);
  if (low === zeros && high === nines) return `[${first}-${last}]${anyDigits(low.length)}`;
  if (first === last) return `${first}${grouped(between(low, high))}`;
  const middle = last - first > 1 ? [`[${first + 1}-${last - 1}]${anyDigits(low.length)}`] : [];
  return [`${first}${grouped(between(low, nines))}`, ...middle, `${last}${grouped(between(zeros, high))}`].join('|');
}

function grouped(pattern: string): string {
  return pattern.includes('|') ? `(?:${pattern})` : pattern;
}

function anyDigits(count: number): string {
  return count === 0 ? '' : `\\d{${count}}`;
}
