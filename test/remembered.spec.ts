import { afterEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { Client } from 'pg';
import { ChangePosition } from '../src/database/change-position.ts';
import { Remembered } from '../src/database/index.ts';
import { onClose } from './support/closing.ts';
import { createDatabase } from './support/database.ts';

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
    const refreshed = expect(memory.refresh('ada')).rejects.toThrow('connection lost');
    await source.end(1, new Error('connection lost'));
    await refreshed;
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
      // the cache reads the clock at most once in a millisecond
      await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await turnTo(5 * MINUTE_MS - 1000);
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

  it.each<[string, (memory: Remembered<object>) => void]>([
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
    const before = expect(memory.get('ada')).rejects.toThrow('connection lost');
    source.version = 2;
    memory.forget('ada');
    const after = memory.get('ada');
    await source.end(0, new Error('connection lost'));
    await before;
    const joined = memory.get('ada');
    expect(source.loads).toHaveLength(2);
    await source.end(1);
    expect([await after, await joined]).toEqual([{ version: 2 }, { version: 2 }]);
  });

  it('never lets anybody see what was there before, in any order of loads, changes and answers', async () => {
    const key = fc.constantFrom('ada', 'grace');
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ does: fc.constant('get' as const), key }) },
      { weight: 1, arbitrary: fc.record({ does: fc.constant('refresh' as const), key }) },
      { weight: 2, arbitrary: fc.record({ does: fc.constant('commit' as const) }) },
      { weight: 2, arbitrary: fc.record({ does: fc.constant('forget' as const), key }) },
      { weight: 1, arbitrary: fc.record({ does: fc.constant('forgetAll' as const) }) },
      {
        weight: 3,
        arbitrary: fc.record({
          does: fc.constant('end' as const),
          which: fc.nat(),
          how: fc.constantFrom(undefined, undefined, undefined, 'nothing' as const, new Error('connection lost')),
        }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { source, memory } = aMemory();
        const oldest = { ada: 1, grace: 1 };
        const open = new Set<number>();
        const answers: Promise<void>[] = [];
        const ask = (asked: 'ada' | 'grace', answer: Promise<{ version: number } | undefined>) => {
          const floor = oldest[asked];
          const check = (got: { version: number } | undefined) =>
            expect(got?.version ?? floor).toBeGreaterThanOrEqual(floor);
          answers.push(answer.catch(() => undefined).then(check));
        };
        for (const taken of steps) {
          const begun = source.loads.length;
          if (taken.does === 'get') ask(taken.key as 'ada', memory.get(taken.key));
          if (taken.does === 'refresh') ask(taken.key as 'ada', memory.refresh(taken.key));
          if (taken.does === 'commit') source.version++;
          if (taken.does === 'forget') {
            memory.forget(taken.key);
            oldest[taken.key as 'ada'] = source.version;
          }
          if (taken.does === 'forgetAll') {
            memory.forgetAll();
            oldest.ada = oldest.grace = source.version;
          }
          if (taken.does === 'end' && open.size > 0) {
            const which = [...open][taken.which % open.size] as number;
            open.delete(which);
            await source.end(which, taken.how);
          }
          for (let load = begun; load < source.loads.length; load++) open.add(load);
          for (const known of ['ada', 'grace'] as const)
            expect(memory.peek(known)?.version ?? oldest[known]).toBeGreaterThanOrEqual(oldest[known]);
        }
        for (const which of open) await source.end(which);
        await Promise.all(answers);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the reader of the change log', () => {
  /** A log of its own: writers whose transactions stay open, and a reader with its own clock. */
  async function aLog(writers = 1) {
    const database = await createDatabase();
    const connect = async () => {
      const client = new Client({ connectionString: database.url });
      await client.connect();
      onClose(() => client.end());
      return client;
    };
    const clients = await Promise.all(Array.from({ length: writers }, connect));
    const reading = await connect();
    return { database, clients, reading, reader: new Reader(reading) };
  }

  class Reader {
    readonly #position = new ChangePosition();
    readonly #client: Client;
    now = 1000;
    missed = false;
    readonly seen: number[] = [];

    constructor(client: Client) {
      this.#client = client;
    }

    async poll(): Promise<number[]> {
      const before = this.seen.length;
      for (;;) {
        const { rows } = await this.#client.query<{ id: string; topic: string; key: string }>(
          ...this.#position.query(),
        );
        const { changes, more, missed } = this.#position.advance(rows, this.now);
        this.seen.push(...changes.map(({ id }) => Number(id)));
        this.missed ||= missed;
        if (!more) return this.seen.slice(before);
      }
    }

    /** The ids that it still waits for. */
    get gaps(): unknown {
      return this.#position.query()[1][1];
    }
  }

  async function insert(client: Client, count = 1): Promise<number[]> {
    const sql = "insert into changes (topic, key) select 't', 'k' from generate_series(1, $1::int) returning id";
    return (await client.query<{ id: string }>(sql, [count])).rows.map(({ id }) => Number(id));
  }

  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ does: fc.constant('begin' as const), count: fc.constantFrom(1, 1, 1, 2, 700) }),
    },
    { weight: 4, arbitrary: fc.record({ does: fc.constant('commit' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('rollback' as const), which: fc.nat() }) },
    { weight: 4, arbitrary: fc.record({ does: fc.constant('poll' as const), afterMs: fc.nat({ max: 4000 }) }) },
  );

  it('sees each change that commits exactly once, in whatever order they commit', async () => {
    const { database, clients, reading } = await aLog(6);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.nat({ max: 10 }), async (steps, firstPollAt) => {
        await database.query('truncate changes restart identity');
        const reader = new Reader(reading);
        const free = [...clients];
        const open: { client: Client; ids: number[]; since: number }[] = [];
        const committed: number[] = [];
        const end = async (index: number, how: 'commit' | 'rollback', isFollowed: boolean) => {
          const [ended] = open.splice(index, 1);
          if (!ended) return;
          await ended.client.query(how);
          free.push(ended.client);
          if (how === 'commit' && isFollowed) committed.push(...ended.ids);
        };
        for (const [index, taken] of steps.entries()) {
          const isFollowed = index > firstPollAt;
          if (index === firstPollAt) await reader.poll();
          if (taken.does === 'begin') {
            const client = free.pop();
            if (!client) continue;
            await client.query('begin');
            open.push({ client, ids: await insert(client, isFollowed ? taken.count : 1), since: reader.now });
          } else if (taken.does === 'poll') {
            if (!isFollowed) continue;
            reader.now += taken.afterMs;
            // a transaction that is open for longer than the gap time is taken for rolled back
            for (let i = open.length - 1; i >= 0; i--)
              if (reader.now - (open[i]?.since ?? 0) >= 15_000) await end(i, 'rollback', isFollowed);
            await reader.poll();
          } else if (open.length > 0) await end(taken.which % open.length, taken.does, index >= firstPollAt);
        }
        if (steps.length <= firstPollAt) await reader.poll();
        while (open.length > 0) await end(0, 'commit', true);
        await reader.poll();
        expect(reader.missed).toBe(false);
        expect(reader.seen.toSorted((a, b) => a - b)).toEqual(committed.toSorted((a, b) => a - b));
      }),
      { numRuns: 150 },
    );
  });

  it('asks again for an id that was passed over, until 15 s have gone by', async () => {
    const { clients, reader } = await aLog(2);
    const [slow, quick] = clients as [Client, Client];
    await insert(quick);
    await reader.poll();
    await slow.query('begin');
    const [late] = await insert(slow);
    const [early] = await insert(quick);
    expect(await reader.poll()).toEqual([early]);
    reader.now += 14_999;
    expect(await reader.poll()).toEqual([]);
    expect(reader.gaps).toEqual([late]);
    await slow.query('commit');
    expect(await reader.poll()).toEqual([late]);
    expect(reader.gaps).toEqual([]);
  });

  it('gives up an id that never commits after 15 s', async () => {
    const { clients, reader } = await aLog();
    const [client] = clients as [Client];
    await insert(client);
    await reader.poll();
    await client.query('begin');
    const [never] = await insert(client);
    await client.query('rollback');
    await insert(client);
    await reader.poll();
    expect(reader.gaps).toEqual([never]);
    reader.now += 15_000;
    await reader.poll();
    expect(reader.gaps).toEqual([]);
  });

  it('sees a change whose transaction began before the first read and ends after it', async () => {
    const { clients, reader } = await aLog(2);
    const [slow, quick] = clients as [Client, Client];
    await slow.query('begin');
    const [late] = await insert(slow);
    await insert(quick);
    await reader.poll();
    await slow.query('commit');
    expect(await reader.poll()).toEqual([late]);
  });

  it('says that it may have missed changes when too many ids are open to follow them', async () => {
    const { database, clients, reader } = await aLog();
    const [client] = clients as [Client];
    await insert(client);
    await reader.poll();
    await database.query("select setval('changes_id_seq', 10001)");
    await insert(client);
    await reader.poll();
    expect(reader.missed).toBe(false);
    await database.query("select setval('changes_id_seq', 30000)");
    await insert(client);
    await reader.poll();
    expect(reader.missed).toBe(true);
  });

  it('goes on to see what ends after changes were missed', async () => {
    const { database, clients, reader } = await aLog(2);
    const [slow, quick] = clients as [Client, Client];
    await insert(quick);
    await reader.poll();
    await database.query("select setval('changes_id_seq', 30000)");
    await slow.query('begin');
    const [late] = await insert(slow);
    await insert(quick);
    await reader.poll();
    expect(reader.missed).toBe(true);
    await slow.query('commit');
    const [next] = await insert(quick);
    expect(await reader.poll()).toEqual([late, next]);
  });

  it('does not take what was there before it for news', async () => {
    const { clients, reader } = await aLog();
    await insert(clients[0] as Client, 1500);
    expect(await reader.poll()).toEqual([]);
    expect(await reader.poll()).toEqual([]);
  });

  it('reads a flood of changes to its end', async () => {
    const { clients, reader } = await aLog();
    await reader.poll();
    const ids = await insert(clients[0] as Client, 2500);
    expect(await reader.poll()).toEqual(ids);
  });
});
