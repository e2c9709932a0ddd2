/** Poppler for tests; see poppler.mjs. */
export function hasPoppler(): boolean;
