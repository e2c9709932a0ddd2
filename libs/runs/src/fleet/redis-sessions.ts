import type { Redis } from 'ioredis';
import { nameOf } from '../key-name.ts';
import { type SessionEntry, type Sessions, sessionLifeMs } from '../sessions.ts';
import type { RedisServer } from './redis.ts';
import { firstReady, gateConnection } from './redis-gate.ts';

const defaultPrefix = '{argosy}:session:';

/** How long Redis may take to answer: every model call waits for it. */
const usualAnswerMs = 250;

/**
 * On Redis' own clock. KEYS: the session's hash (group, epoch, since). ARGV: life in ms; to move it, its epoch and the
 * group. Returns nothing, or group, epoch and the ms since it moved there.
 */
const findOrMove = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('HMGET', KEYS[1], 'group', 'epoch', 'since')
if ARGV[2] and (not known[2] or known[2] == ARGV[2]) then
  known = {ARGV[3], string.format('%d', ARGV[2] + 1), string.format('%.0f', now)}
  redis.call('HSET', KEYS[1], 'group', known[1], 'epoch', known[2], 'since', known[3])
end
if not known[1] then return {} end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {known[1], known[2], string.format('%.0f', math.max(0, now - known[3]))}`;

/** The sessions of a fleet. No key outlives what it is for. */
export class RedisSessions implements Sessions {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #connected: Promise<void>;

  /** `redis` owns the connection. */
  constructor(redis: RedisServer, { prefix = defaultPrefix, answerMs = usualAnswerMs } = {}) {
    this.#prefix = prefix;
    this.#redis = redis.connect({ ...gateConnection, commandTimeout: answerMs });
    this.#connected = firstReady(this.#redis);
  }

  /** @throws whatever Redis or the connection says */
  async find(session: string): Promise<SessionEntry | null> {
    return await this.#ask(session);
  }

  async move(session: string, group: string, epoch: number): Promise<SessionEntry> {
    return (await this.#ask(session, epoch, group)) ?? { group, epoch: epoch + 1, ageMs: 0 };
  }

  async forget(session: string): Promise<void> {
    await this.#connected;
    await this.#redis.del(this.#keyOf(session));
  }

  async #ask(session: string, ...move: readonly (string | number)[]): Promise<SessionEntry | null> {
    await this.#connected;
    const answer = await this.#redis.eval(findOrMove, 1, this.#keyOf(session), sessionLifeMs, ...move);
    const [group, epoch, ageMs] = answer as string[]; // what the script returns
    return group === undefined ? null : { group, epoch: Number(epoch), ageMs: Number(ageMs) };
  }

  #keyOf(session: string): string {
    return this.#prefix + nameOf(session);
  }
}
