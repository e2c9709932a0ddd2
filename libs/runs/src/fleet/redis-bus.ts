import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type Bus, LocalBus } from '../bus.ts';
import type { RedisServer } from './redis.ts';

const defaultPrefix = '{argosy}:bus:';

/** Publishes pairs of channel and text: a command for each would cost this process ten times as much. */
const publishAll = `for i = 1, #ARGV, 2 do redis.call('PUBLISH', ARGV[i], ARGV[i + 1]) end`;

/** A topic is given up this long after its last listener left: whoever waits in a loop comes back at once. */
const lingerMs = 10_000;

/**
 * The bus of a fleet. This process hears itself at once, whatever becomes of Redis; other processes hear it over one
 * connection each, and miss what was said while they began to listen or were cut off.
 */
export class RedisBus implements Bus {
  readonly #local = new LocalBus();
  readonly #sending: Redis;
  readonly #hearing: Redis;
  readonly #prefix: string;
  /** Tells our own messages, which were heard already, from those of others. */
  readonly #self = randomUUID();
  /** Channel, text, channel, text ... of this turn of the event loop. */
  #outbox: string[] = [];
  readonly #listeners = new Map<string, number>();
  readonly #leaving = new Map<string, NodeJS.Timeout>();

  /** `redis` owns the connections: closing it ends the bus; see also {@link close}. */
  constructor(redis: RedisServer, prefix = defaultPrefix) {
    this.#prefix = prefix;
    // A hint that cannot be sent now is worthless later, and thousands of them would fill the memory.
    this.#sending = redis.connect({ enableOfflineQueue: false, autoResendUnfulfilledCommands: false });
    this.#hearing = redis.connect();
    this.#hearing.on('message', (channel: string, text: string) => this.#hear(channel, text));
  }

  publish(topic: string, message = ''): void {
    this.#local.publish(topic, message);
    if (this.#outbox.push(this.#prefix + topic, `${this.#self} ${message}`) === 2) setImmediate(() => this.#send());
  }

  subscribe(topic: string, listener: (message: string) => void): () => void {
    const unsubscribe = this.#local.subscribe(topic, listener);
    this.#enter(topic);
    let left = false;
    return () => {
      unsubscribe();
      if (!left) this.#leave(topic);
      left = true;
    };
  }

  /** Ends what the bus has under way of its own; connections are the server's. */
  close(): void {
    for (const timer of this.#leaving.values()) clearTimeout(timer);
    this.#leaving.clear();
  }

  #send(): void {
    const messages = this.#outbox;
    this.#outbox = [];
    this.#sending.eval(publishAll, 0, ...messages).catch(() => undefined);
  }

  #hear(channel: string, text: string): void {
    const [sender, message] = [text.slice(0, this.#self.length), text.slice(this.#self.length + 1)];
    if (sender !== this.#self) this.#local.publish(channel.slice(this.#prefix.length), message);
  }

  #enter(topic: string): void {
    const count = this.#listeners.get(topic) ?? 0;
    this.#listeners.set(topic, count + 1);
    if (count > 0) return;
    const timer = this.#leaving.get(topic);
    clearTimeout(timer);
    this.#leaving.delete(topic);
    // A topic that we are about to give up is still subscribed to.
    if (timer === undefined) this.#hearing.subscribe(this.#prefix + topic).catch(() => undefined);
  }

  #leave(topic: string): void {
    const count = (this.#listeners.get(topic) ?? 1) - 1;
    if (count > 0) {
      this.#listeners.set(topic, count);
      return;
    }
    this.#listeners.delete(topic);
    const giveUp = (): void => {
      this.#leaving.delete(topic);
      this.#hearing.unsubscribe(this.#prefix + topic).catch(() => undefined);
    };
    this.#leaving.set(topic, setTimeout(giveUp, lingerMs).unref());
  }
}
