/** Forms that settings of several kinds have. Their faults never repeat a value that may be a secret. */
import { z } from 'zod';

/** A key is sent as it is: a line break at its end would break the header. */
export const secret = z
  .string()
  .regex(/^[\x21-\x7e]+$/, 'is not a key: it holds spaces, line breaks or odd characters')
  .optional();

/** An address of one of these protocols. Its faults never repeat it: it may hold a password. */
export function address(protocols: readonly string[], example: string) {
  const fits = (text: string): boolean => protocols.includes(URL.parse(text)?.protocol ?? '');
  return z.string().refine(fits, `is not an address like ${example}`);
}

/** A value, and others that hold from UTC days on: `VALUE;2026-07-01:VALUE`. Each day once. */
export function dated(form: RegExp, needs: string) {
  return z.string().superRefine((text, { addIssue }) => {
    const parts = text.split(';').map((part) => /^\s*(?:([^:]*):)?(.*?)\s*$/s.exec(part) ?? []);
    const fault = (message: string) => addIssue({ code: 'custom', message });
    if (parts.some(([, , value = '']) => !form.test(value))) fault(needs);
    const days = parts.slice(1).map(([, day = '']) => day);
    if (parts[0]?.[1] !== undefined) fault('begins with what has held before all days: VALUE;2026-07-01:VALUE');
    const [strange] = parts.slice(1).find(([, day]) => !z.iso.date().safeParse(day).success) ?? [];
    if (strange !== undefined) fault(`${JSON.stringify(strange.trim())} begins with no day: VALUE;2026-07-01:VALUE`);
    if (new Set(days).size < days.length) fault('names a day twice');
  });
}

/** Passwords and tokens go there: https, or http on this machine. */
export function safeAddress(example: string) {
  return z.string().refine((text) => {
    const url = URL.parse(text);
    if (url === null || url.username !== '' || url.search !== '' || url.hash !== '') return false;
    const isHere = /^(127(\.\d+){3}|localhost|\[::1\])$/.test(url.hostname);
    return url.protocol === 'https:' || (url.protocol === 'http:' && isHere);
  }, `is not an address like ${example}; http is for this machine alone`);
}
