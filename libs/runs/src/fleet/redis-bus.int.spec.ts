import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  canOwnServers,
  freshPrefix,
  ownRedis,
  type PrivateServer,
  sharedRedisUrl,
} from '../../../../test/support/servers.ts';
import { RedisServer } from './redis.ts';
import { RedisBus } from './redis-bus.ts';

const opened: { close(): void }[] = [];
function busOn(url: string, prefix: string): RedisBus {
  const server = new RedisServer(url);
  const bus = new RedisBus(server, prefix);
  opened.push(bus, server);
  return bus;
}
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

/** What is heard on a topic, and when something is. */
function listen(bus: RedisBus, topic: string) {
  const heard: string[] = [];
  let wake: () => void = () => undefined;
  const end = bus.subscribe(topic, (message) => {
    heard.push(message);
    wake();
  });
  const until = async (message: string): Promise<void> => {
    while (!heard.includes(message)) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { heard, end, until };
}

/** Says something again and again until it is heard: hints may be lost while a listener begins. */
async function sayUntil(heard: Promise<void>, say: () => void): Promise<void> {
  const timer = setInterval(say, 20);
  say();
  await heard;
  clearInterval(timer);
}

describe('a bus between processes', () => {
  let prefix: string;
  let one: RedisBus;
  let other: RedisBus;
  beforeEach(() => {
    prefix = freshPrefix();
    one = busOn(sharedRedisUrl(), prefix);
    other = busOn(sharedRedisUrl(), prefix);
  });

  it('carries messages of a topic to the other, and of no other topic', async () => {
    const topic = listen(other, 'moved a b');
    const rest = listen(other, 'moved a c');
    await sayUntil(topic.until('hello'), () => one.publish('moved a b', 'hello'));
    await sayUntil(rest.until('there'), () => one.publish('moved a c', 'there'));
    expect(new Set(topic.heard)).toEqual(new Set(['hello']));
    expect(new Set(rest.heard)).toEqual(new Set(['there']));
  });

  it('lets its own process hear at once, and once', async () => {
    const own = listen(one, 't');
    const far = listen(other, 't');
    one.publish('t', 'first');
    expect(own.heard).toEqual(['first']);
    await sayUntil(far.until('again'), () => one.publish('t', 'again'));
    const said = own.heard.length;
    // What the other says comes behind whatever of our own would come back.
    await sayUntil(own.until('from there'), () => other.publish('t', 'from there'));
    expect(own.heard.filter((message) => message !== 'from there')).toHaveLength(said);
  });

  it('serves many listeners of a topic, each until it leaves', async () => {
    const [a, b] = [listen(other, 't'), listen(other, 't')];
    await sayUntil(
      Promise.all([a.until('x'), b.until('x')]).then(() => undefined),
      () => one.publish('t', 'x'),
    );
    a.end();
    a.end();
    await sayUntil(b.until('y'), () => one.publish('t', 'y'));
    expect(a.heard).not.toContain('y');
    b.end();
    const again = listen(other, 't');
    await sayUntil(again.until('z'), () => one.publish('t', 'z'));
    expect(b.heard).not.toContain('z');
  });

  it('carries texts as they are', async () => {
    const far = listen(other, 't');
    const text = 'delta: ünïcödé\n 0 {"a": 1} ';
    await sayUntil(far.until(text), () => one.publish('t', text));
    await sayUntil(far.until(''), () => one.publish('t'));
  });
});

const describeOwn = canOwnServers ? describe : describe.skip;

describeOwn('a bus whose Redis restarts (needs servers that may be killed)', () => {
  let server: PrivateServer;
  beforeEach(async () => {
    server = await ownRedis();
  });
  afterEach(async () => {
    await server.stop();
  });

  it('loses what is said meanwhile, throws nothing, and carries on by itself', async () => {
    const [one, other] = [busOn(server.url, 'p:'), busOn(server.url, 'p:')];
    const far = listen(other, 't');
    const own = listen(one, 't');
    await sayUntil(far.until('before'), () => one.publish('t', 'before'));
    await server.kill();
    for (let i = 0; i < 1000; i++) one.publish('t', 'meanwhile');
    expect(own.heard.filter((message) => message === 'meanwhile')).toHaveLength(1000);
    const late = listen(other, 'late');
    await server.start();
    await sayUntil(far.until('after'), () => one.publish('t', 'after'));
    await sayUntil(late.until('after'), () => one.publish('late', 'after'));
    expect(far.heard).not.toContain('meanwhile');
  });
});
