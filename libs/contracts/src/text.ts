import { z } from 'zod';

/** Text that the database can store: it takes neither NUL nor halves of surrogate pairs. */
export const storableText = z.string().refine(isStorable, 'holds a NUL character or half a surrogate pair');

/** Whether the database can store it, where it is text. */
export function isStorable(value: unknown): boolean {
  return typeof value !== 'string' || (value.isWellFormed() && !value.includes('\0'));
}

/** A whole number as a query or a header has it. */
export function wholeNumber(least: number, most: number) {
  const says = `a whole number from ${least} to ${most}`;
  return z
    .string(says)
    .regex(/^\d{1,16}$/, says)
    .transform(Number)
    .pipe(z.int(says).min(least, says).max(most, says));
}
