/** Helm for tests; see helm.mjs. */
export function findHelm(): string | undefined;
