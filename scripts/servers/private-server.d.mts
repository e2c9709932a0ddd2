/** A loopback port that nobody uses at this moment; see private-server.mjs. */
export function freePort(): Promise<number>;
