import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { PageCache } from './page-cache.ts';
import { Scheduler, type SchedulerOptions, type Task } from './scheduler.ts';

/** A text that ends when its reply has so many tokens. */
interface Job extends Task {
  readonly name: number;
  readonly tokens: number[];
  readonly prompt: number;
  readonly reply: number;
  begun: boolean;
}

let names = 0;

function job(prompt: number, changes: Partial<Job> = {}): Job {
  const name = ++names;
  const tokens = Array.from({ length: prompt }, (_, i) => name * 1_000 + i);
  return { name, tokens, prompt, reply: 3, begun: false, tenant: 't', priority: 0, since: 0, root: 'r', ...changes };
}

function schedulerOf(options: Partial<SchedulerOptions> & { readonly tokens?: number } = {}): Scheduler<Job> {
  const cache = new PageCache(options.tokens ?? 10_000);
  return new Scheduler({ cache, stepTokens: 32, running: 8, weightOf: () => 1, ...options });
}

/** One step as a model would do it. @returns what it computed, by the jobs' names */
function step(scheduler: Scheduler<Job>): Map<number, number> {
  const { parts } = scheduler.next();
  scheduler.computed(parts);
  for (const { task, position, count } of parts) {
    if (position + count < task.tokens.length) continue;
    task.begun = true;
    task.tokens.push(task.tokens.length);
    if (task.tokens.length - task.prompt >= task.reply) scheduler.remove(task, null);
  }
  return new Map(parts.map(({ task, count }) => [task.name, count]));
}

const sumOf = (counts: Iterable<number>): number => [...counts].reduce((sum, count) => sum + count, 0);

describe('a step', () => {
  it('takes every reply under way and gives the rest to prompts as they came', () => {
    const scheduler = schedulerOf();
    const [first, second, third] = [job(10), job(30), job(30)];
    scheduler.add(first);
    step(scheduler);
    scheduler.add(second);
    scheduler.add(third);
    expect(step(scheduler)).toEqual(
      new Map([
        [first.name, 1],
        [second.name, 30],
        [third.name, 1],
      ]),
    );
  });

  it('gives a prompt of higher priority its tokens first, and an older one after a while all the same', () => {
    const scheduler = schedulerOf();
    const [usual, urgent] = [job(30, { since: 0 }), job(30, { since: 4_000, priority: 5 })];
    const late = job(30, { since: 6_000, priority: 5 });
    for (const one of [usual, late, urgent]) scheduler.add(one);
    expect([...step(scheduler).keys()]).toEqual([urgent.name, usual.name]);
  });

  it('shares its tokens between tenants by weight', () => {
    const weightOf = (tenant: string) => (tenant === 'heavy' ? 3 : 1);
    const scheduler = schedulerOf({ weightOf, running: 16, stepTokens: 16 });
    const given = { heavy: 0, light: 0 };
    const jobs = Array.from({ length: 12 }, (_, i) => job(60, { tenant: i < 6 ? 'light' : 'heavy', reply: 1 }));
    for (const one of jobs) scheduler.add(one);
    for (let i = 0; i < 20; i++) {
      for (const [name, count] of step(scheduler)) {
        given[jobs.find((one) => one.name === name)?.tenant === 'heavy' ? 'heavy' : 'light'] += count;
      }
    }
    expect(given.heavy / given.light).toBeGreaterThan(2.5);
    expect(given.heavy / given.light).toBeLessThan(3.5);
  });

  it('lets a tenant that comes late in at once, and gives it nothing for the time that it was away', () => {
    const scheduler = schedulerOf({ running: 4, stepTokens: 16 });
    for (let i = 0; i < 20; i++) scheduler.add(job(40, { tenant: 'early', reply: 1 }));
    for (let i = 0; i < 10; i++) step(scheduler);
    const late = Array.from({ length: 10 }, () => job(40, { tenant: 'late', reply: 1 }));
    for (const one of late) scheduler.add(one);
    let given = 0;
    for (let i = 0; i < 20; i++) {
      for (const [name, count] of step(scheduler)) if (late.some((one) => one.name === name)) given += count;
    }
    expect(given).toBeGreaterThan(100);
    expect(given).toBeLessThan(220);
  });

  it('takes pages from the newest when the older need them, who goes on first when there is room again', () => {
    const scheduler = schedulerOf({ tokens: 64 });
    const [old, young] = [job(15, { reply: 30 }), job(15, { reply: 30 })];
    const next = job(15, { reply: 1 });
    for (const one of [old, young]) scheduler.add(one);
    while (scheduler.preemptions === 0) step(scheduler);
    scheduler.add(next);
    expect(scheduler.running.map(({ name }) => name)).toEqual([old.name]);
    expect(scheduler.waiting.map(({ name }) => name)).toEqual([young.name, next.name]);
    const order: number[] = [];
    while (order.length < 3) {
      const before = new Set([...scheduler.running, ...scheduler.waiting]);
      step(scheduler);
      for (const one of before) if (![...scheduler.running, ...scheduler.waiting].includes(one)) order.push(one.name);
    }
    expect(order.indexOf(old.name)).toBeLessThan(order.indexOf(young.name));
  });
});

describe('a reply that gave way', () => {
  it('goes on at once when it has its place again and all but its last token is found', () => {
    // Both need their third page in one step, and there is one: the younger gives way with two whole pages kept.
    const scheduler = schedulerOf({ tokens: 80 });
    const [old, young] = [job(15, { reply: 20 }), job(15, { reply: 30 })];
    for (const one of [old, young]) scheduler.add(one);
    while (scheduler.preemptions === 0) step(scheduler);
    while (scheduler.running.includes(old)) step(scheduler);
    const before = young.tokens.length;
    expect(step(scheduler)).toEqual(new Map([[young.name, 1]]));
    expect(young.tokens).toHaveLength(before + 1);
  });
});

describe('any load', () => {
  const load = fc.array(
    fc.record({
      prompt: fc.integer({ min: 1, max: 150 }),
      reply: fc.integer({ min: 1, max: 40 }),
      tenant: fc.constantFrom('a', 'b', 'c'),
      priority: fc.integer({ min: -3, max: 3 }),
      /** In steps. */
      comes: fc.nat({ max: 40 }),
    }),
    { minLength: 1, maxLength: 12 },
  );

  it('keeps the budget, wastes none of it, sits out no reply, and comes to its end', () => {
    fc.assert(
      fc.property(
        load,
        fc.integer({ min: 8, max: 40 }),
        fc.integer({ min: 192, max: 600 }),
        (asked, stepTokens, tokens) => {
          const scheduler = schedulerOf({ stepTokens, tokens });
          const jobs = asked.map(({ comes, ...changes }) => ({
            comes,
            job: job(changes.prompt, { ...changes, since: comes }),
          }));
          const open = new Set(jobs.map((one) => one.job));
          // Those that got a token in the step before.
          let talking: Job[] = [];
          for (let now = 0; open.size > 0; now++) {
            if (now > 5_000) throw new Error('some never end');
            for (const one of jobs) if (one.comes === now) scheduler.add(one.job);
            const before = scheduler.preemptions;
            const anybody = scheduler.running.length > 0;
            const { parts } = scheduler.next();
            const given = sumOf(parts.map(({ count }) => count));
            expect(given).toBeLessThanOrEqual(stepTokens);
            // What was left over would have had no use: all of everybody's tokens are in the step.
            const pending = scheduler.running.filter((one) => !parts.some((part) => part.task === one));
            if (given < stepTokens) expect(pending).toEqual([]);
            if (scheduler.preemptions === before) {
              for (const one of talking) expect(parts.some(({ task }) => task === one)).toBe(true);
            }
            expect(parts.length > 0 || !anybody).toBe(true);
            scheduler.computed(parts);
            talking = [];
            for (const { task, position, count } of parts) {
              if (position + count < task.tokens.length) continue;
              task.begun = true;
              task.tokens.push(task.tokens.length);
              if (task.tokens.length - task.prompt < task.reply) {
                talking.push(task);
                continue;
              }
              scheduler.remove(task, null);
              open.delete(task);
            }
          }
          expect(scheduler.backlogTokens).toBe(0);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('starves nobody: a request of the lowest priority ends while urgent ones keep coming', () => {
    const scheduler = schedulerOf({ running: 2, stepTokens: 16 });
    const humble = job(30, { priority: -3, since: 0 });
    scheduler.add(humble);
    let now = 0;
    for (; now < 100 && [...scheduler.running, ...scheduler.waiting].includes(humble); now++) {
      scheduler.add(job(30, { priority: 3, since: now * 500 }));
      step(scheduler);
    }
    expect(now).toBeGreaterThan(5);
    expect(now).toBeLessThan(60);
  });
});
