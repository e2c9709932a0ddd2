import { createHash } from 'node:crypto';

/**
 * All of the groups, the session's first: each gets a number by session and name, and the highest goes first (rendezvous
 * hashing, Thaler and Ravishankar 1998). Everybody who knows the same groups comes to the same order, and a group that is
 * lost moves its own sessions alone. Cost a hash for each group.
 */
export function byRendezvous(session: string, groups: readonly string[]): string[] {
  const weights = new Map(groups.map((group) => [group, weightOf(session, group)]));
  return groups.toSorted((a, b) => (weights.get(b) ?? 0) - (weights.get(a) ?? 0));
}

/** 48 bits. */
function weightOf(session: string, group: string): number {
  return createHash('sha256')
    .update(JSON.stringify([session, group]))
    .digest()
    .readUIntBE(0, 6);
}
