import { afterEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { Remembered } from '../src/database/remembered.ts';

const MINUTE_MS = 60_000;

/** Where copies come from: a load reads at its begin, the worst moment, and ends when the test says so. */
class Source {
  version = 1;
  readonly loads: { key: string; end: (outcome?: 'nothing' | Error) => Promise<void> }[] = [];

  readonly load = (key: string): Promise<{ version: number } | undefined> => {
    const { version } = this;
    return new Promise((resolve, reject) => {
      this.loads.push({
        key,
        end: async (outcome) => {
          if (outcome instanceof Error) reject(outcome);
          else resolve(outcome === 'nothing' ? undefined : { version });
          await settled();
        },
      });
    });
  };

  /** Ends the load that began as the n-th, 0 the first. */
  async end(index: number, outcome?: 'nothing' | Error): Promise<void> {
    await this.loads[index]?.end(outcome);
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

function aMemory(max = 10) {
  const source = new Source();
  return { source, memory: new Remembered(max, source.load) };
}

/** A memory that already holds the key. */
async function aMemoryOf(...keys: string[]) {
  const { source, memory } = aMemory();
  for (const key of keys) {
    const got = memory.get(key);
    await source.end(source.loads.length - 1);
    await got;
  }
  return { source, memory };
}

describe('what is remembered', () => {
  it('is loaded once and then served from memory', async () => {
    const { source, memory } = await aMemoryOf('ada');
    expect(await memory.get('ada')).toEqual({ version: 1 });
    expect(memory.peek('ada')).toEqual({ version: 1 });
    expect(source.loads).toHaveLength(1);
  });

  it('is loaded once for all who ask at the same time', async () => {
    const { source, memory } = aMemory();
    const got = [memory.get('ada'), memory.get('ada'), memory.get('grace'), memory.get('ada')];
    expect(source.loads.map(({ key }) => key)).toEqual(['ada', 'grace']);
    await source.end(0);
    await source.end(1);
    const [first, second, other, third] = await Promise.all(got);
    expect(second).toBe(first);
    expect(third).toBe(first);
    expect(other).not.toBe(first);
  });

  it('is bounded in number: the least recently used goes first', async () => {
    const source = new Source();
    const memory = new Remembered(3, async (key) => ({ key, version: source.version }));
    for (const key of ['a', 'b', 'c']) await memory.get(key);
    await memory.get('a');
    await memory.get('d');
    expect(['a', 'b', 'c', 'd'].filter((key) => memory.peek(key))).toEqual(['a', 'c', 'd']);
  });

  it('is not what a load failed to find', async () => {
    const { source, memory } = aMemory();
    const failure = new Error('connection lost');
    const got = Promise.allSettled([memory.get('ada'), memory.get('ada')]);
    await source.end(0, failure);
    expect(await got).toEqual([
      { status: 'rejected', reason: failure },
      { status: 'rejected', reason: failure },
    ]);
    const again = memory.get('ada');
    await source.end(1);
    expect(await again).toEqual({ version: 1 });
  });

  it('is not that there was nothing', async () => {
    const { source, memory } = aMemory();
    const got = memory.get('ada');
    await source.end(0, 'nothing');
    expect(await got).toBeUndefined();
    const again = memory.get('ada');
    await source.end(1);
    expect(await again).toEqual({ version: 1 });
  });

  it('gives way to what a refresh loads', async () => {
    const { source, memory } = await aMemoryOf('ada');
    source.version = 2;
    const refreshed = memory.refresh('ada');
    await source.end(1);
    expect(await refreshed).toEqual({ version: 2 });
    expect(memory.peek('ada')).toEqual({ version: 2 });
  });

  it('gives way to a refresh that finds nothing any more', async () => {
    const { source, memory } = await aMemoryOf('ada');
    const refreshed = memory.refresh('ada');
    await source.end(1, 'nothing');
    expect(await refreshed).toBeUndefined();
    expect(memory.peek('ada')).toBeUndefined();
  });

  it('stays when a refresh fails', async () => {
    const { source, memory } = await aMemoryOf('ada');
    const failure = new Error('connection lost');
    const refreshed = Promise.allSettled([memory.refresh('ada')]);
    await source.end(1, failure);
    expect(await refreshed).toEqual([{ status: 'rejected', reason: failure }]);
    expect(memory.peek('ada')).toEqual({ version: 1 });
  });

  it('is the later load of two, however they end', async () => {
    const { source, memory } = aMemory();
    const early = memory.get('ada');
    source.version = 2;
    const late = memory.refresh('ada');
    await source.end(1);
    await source.end(0);
    expect([await early, await late]).toEqual([{ version: 1 }, { version: 2 }]);
    expect(memory.peek('ada')).toEqual({ version: 2 });
  });
});

describe('the age of what is remembered', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('is at most five minutes', async () => {
    const { memory } = await aMemoryOf('ada');
    const loadedAt = performance.now();
    const clock = jest.spyOn(performance, 'now');
    const turnTo = async (ageMs: number) => {
      clock.mockReturnValue(loadedAt + ageMs);
      // the cache reads the clock once a second
      await new Promise((resolve) => setTimeout(resolve, 1100));
    };
    await turnTo(5 * MINUTE_MS - 3000);
    expect(memory.peek('ada')).toEqual({ version: 1 });
    await turnTo(5 * MINUTE_MS + 1);
    expect(memory.peek('ada')).toBeUndefined();
  });
});

describe('forgetting', () => {
  it('takes the copy of that key alone', async () => {
    const { memory } = await aMemoryOf('ada', 'grace');
    memory.forget('ada');
    expect([memory.peek('ada'), memory.peek('grace')]).toEqual([undefined, { version: 1 }]);
  });

  it('takes every copy and every load under way, when all is forgotten', async () => {
    const { source, memory } = await aMemoryOf('ada', 'grace');
    const underWay = memory.get('alan');
    source.version = 2;
    memory.forgetAll();
    await source.end(2);
    await underWay;
    expect(['ada', 'grace', 'alan'].map((key) => memory.peek(key))).toEqual([undefined, undefined, undefined]);
  });

  it.each<[string, (memory: Remembered<{ version: number }>) => void]>([
    ['one', (memory) => memory.forget('ada')],
    ['all', (memory) => memory.forgetAll()],
  ])('%s: a load that began before is neither stored nor joined', async (_what, forget) => {
    const { source, memory } = aMemory();
    const before = memory.get('ada');
    source.version = 2;
    forget(memory);
    const after = memory.get('ada');
    expect(source.loads).toHaveLength(2);
    await source.end(0);
    expect(await before).toEqual({ version: 1 });
    expect(memory.peek('ada')).toBeUndefined();
    await source.end(1);
    expect(await after).toEqual({ version: 2 });
    expect(memory.peek('ada')).toEqual({ version: 2 });
  });

  it('keeps the load that began after it, when the one from before ends late or fails', async () => {
    const { source, memory } = aMemory();
    const failure = new Error('connection lost');
    const before = Promise.allSettled([memory.get('ada')]);
    source.version = 2;
    memory.forget('ada');
    const after = memory.get('ada');
    await source.end(0, failure);
    expect(await before).toEqual([{ status: 'rejected', reason: failure }]);
    const joined = memory.get('ada');
    expect(source.loads).toHaveLength(2);
    await source.end(1);
    expect([await after, await joined]).toEqual([{ version: 2 }, { version: 2 }]);
  });

  it('never lets anybody see what was there before, in any order of loads, changes and answers', async () => {
    const key = fc.constantFrom<Key>('ada', 'grace');
    const step = fc.oneof(
      {
        weight: 3,
        arbitrary: key.map(
          (asked): Step =>
            (history) =>
              history.ask(asked, 'get'),
        ),
      },
      {
        weight: 1,
        arbitrary: key.map(
          (asked): Step =>
            (history) =>
              history.ask(asked, 'refresh'),
        ),
      },
      { weight: 2, arbitrary: fc.constant<Step>((history) => history.change()) },
      {
        weight: 2,
        arbitrary: key.map(
          (changed): Step =>
            (history) =>
              history.forget(changed),
        ),
      },
      { weight: 1, arbitrary: fc.constant<Step>((history) => history.forget('ada', 'grace')) },
      {
        weight: 3,
        arbitrary: fc.nat().map(
          (which): Step =>
            (history) =>
              history.end(which),
        ),
      },
      {
        weight: 1,
        arbitrary: fc.nat().map(
          (which): Step =>
            (history) =>
              history.end(which, 'nothing'),
        ),
      },
      {
        weight: 1,
        arbitrary: fc.nat().map(
          (which): Step =>
            (history) =>
              history.end(which, new Error('lost')),
        ),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const history = new History();
        for (const take of steps) {
          await take(history);
          history.checkCopies();
        }
        await history.checkAnswers();
        expect(history.stale).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

type Key = 'ada' | 'grace';
type Step = (history: History) => Promise<void> | void;

/** A memory, and the oldest version of each key that it may still show. */
class History {
  readonly #source = new Source();
  readonly #memory = new Remembered(10, this.#source.load);
  readonly #oldest = { ada: 1, grace: 1 };
  readonly #answers: Promise<void>[] = [];
  readonly #ended = new Set<number>();
  /** What was shown though it had been forgotten. */
  readonly stale: { key: Key; shown: number; oldest: number }[] = [];

  ask(key: Key, how: 'get' | 'refresh'): void {
    const oldest = this.#oldest[key];
    const answer = this.#memory[how](key).catch(() => undefined);
    this.#answers.push(answer.then((got) => this.#check(key, got, oldest)));
  }

  change(): void {
    this.#source.version++;
  }

  forget(...keys: Key[]): void {
    if (keys.length > 1) this.#memory.forgetAll();
    else for (const key of keys) this.#memory.forget(key);
    for (const key of keys) this.#oldest[key] = this.#source.version;
  }

  async end(which: number, outcome?: 'nothing' | Error): Promise<void> {
    const open = [...this.#source.loads.keys()].filter((load) => !this.#ended.has(load));
    const load = open[which % open.length];
    if (load === undefined) return;
    this.#ended.add(load);
    await this.#source.end(load, outcome);
  }

  checkCopies(): void {
    for (const key of ['ada', 'grace'] as const) {
      this.#check(key, this.#memory.peek(key), this.#oldest[key]);
    }
  }

  async checkAnswers(): Promise<void> {
    while (this.#ended.size < this.#source.loads.length) await this.end(0);
    await Promise.all(this.#answers);
  }

  #check(key: Key, shown: { version: number } | undefined, oldest: number): void {
    if (shown && shown.version < oldest) this.stale.push({ key, shown: shown.version, oldest });
  }
}
