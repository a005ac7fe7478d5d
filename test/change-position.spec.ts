import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Client } from 'pg';
import { ChangePosition, type FoundRow } from '../src/database/change-position.ts';
import { onClose } from './support/closing.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';
import { until } from './support/until.ts';

let database: TestDatabase;
let slow: Client;
let quick: Client;
let reader: Reader;

beforeEach(async () => {
  database = await createDatabase();
  [slow, quick, reader] = [await connect(), await connect(), new Reader(await connect())];
});

async function connect(url = database.url): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  onClose(() => client.end());
  return client;
}

/** Inserts changes; answers their ids, which are given before the commit. */
async function insert(client: Client, count = 1): Promise<number[]> {
  const sql = "insert into changes (topic, key) select 't', 'k' from generate_series(1, $1::int) returning id";
  return (await client.query<{ id: string }>(sql, [count])).rows.map(({ id }) => Number(id));
}

/** A process that follows the log. */
class Reader {
  readonly #position = new ChangePosition();
  readonly #client: Client;
  missed = false;
  readonly seen: number[] = [];

  constructor(client: Client) {
    this.#client = client;
  }

  /** Reads to the end; answers the ids that are new. */
  async poll(): Promise<number[]> {
    const before = this.seen.length;
    for (;;) {
      const { rows } = await this.#client.query<FoundRow>(...this.#position.query());
      const { changes, more, missed } = this.#position.advance(rows);
      this.seen.push(...changes.map(({ id }) => Number(id)));
      this.missed ||= missed;
      if (!more) return this.seen.slice(before);
    }
  }

  /** The ids that it still asks for. */
  get gaps(): number[] {
    return this.#position.query()[1][1] as number[];
  }

  /** Reads until it asks for none: what other tests have open in the same server keeps it asking. */
  async untilNoGaps(): Promise<void> {
    await until(async () => {
      await this.poll();
      return this.gaps.length === 0;
    });
  }
}

describe('the reader of the change log', () => {
  it('does not take what was there before it for news', async () => {
    await insert(quick, 1500);
    expect(await reader.poll()).toEqual([]);
    expect(await reader.poll()).toEqual([]);
  });

  it('reads a flood of changes to its end', async () => {
    await reader.poll();
    const ids = await insert(quick, 2500);
    expect(await reader.poll()).toEqual(ids);
  });

  it.each<[string, string, string, string]>([
    ['ends late', 'select', 'select', 'commit'],
    ['took it in a savepoint', 'savepoint one', 'release one', 'commit'],
    ['is prepared', 'select', "prepare transaction 'late'", "commit prepared 'late'"],
  ])('asks again for an id that was passed over while its transaction %s', async (_, before, after, end) => {
    await insert(quick);
    await reader.poll();
    await slow.query('begin; select pg_current_xact_id()');
    await slow.query(before);
    const late = await insert(slow);
    await slow.query(after);
    for (let turn = 0; turn < 3; turn++) {
      const early = await insert(quick);
      expect(await reader.poll()).toEqual(early);
      expect(reader.gaps).toEqual(late);
    }
    await slow.query(end);
    expect(await reader.poll()).toEqual(late);
    expect(reader.gaps).toEqual([]);
  });

  it('gives up an id that never commits, once every transaction of that time has ended', async () => {
    await insert(quick);
    await reader.poll();
    await slow.query('begin');
    const never = await insert(slow);
    await slow.query('rollback');
    // it may be the one that took the id
    await slow.query('begin; select pg_current_xact_id()');
    const seen = await insert(quick);
    expect(await reader.poll()).toEqual(seen);
    expect(reader.gaps).toEqual(never);
    expect(await reader.poll()).toEqual([]);
    expect(reader.gaps).toEqual(never);
    const more = await insert(quick, 1500);
    expect(await reader.poll()).toEqual(more);
    await slow.query('commit');
    await reader.untilNoGaps();
  });

  it('does not wait for a transaction that began after the id was passed over', async () => {
    await insert(quick);
    await reader.poll();
    await slow.query('begin');
    const [never] = await insert(slow);
    await insert(quick);
    await reader.poll();
    expect(reader.gaps).toEqual([never]);
    await quick.query('begin; select pg_current_xact_id()');
    await slow.query('rollback');
    await reader.untilNoGaps();
    await quick.query('commit');
  });

  it('sees a change whose transaction began before the first read and ends after it', async () => {
    await slow.query('begin');
    const late = await insert(slow);
    await insert(quick);
    await reader.poll();
    await slow.query('commit');
    expect(await reader.poll()).toEqual(late);
  });

  it('says that changes may have been missed when one ends that was open before its first read, too far back', async () => {
    await slow.query('begin');
    await insert(slow);
    await insert(quick, 1500);
    await reader.poll();
    expect([await reader.poll(), reader.missed]).toEqual([[], false]);
    await slow.query('commit');
    await until(async () => {
      await reader.poll();
      return reader.missed;
    });
  });

  it('says that changes may have been missed when too many ids are open to follow them', async () => {
    await insert(quick);
    await reader.poll();
    await database.query("select setval('changes_id_seq', 10001)");
    await insert(quick);
    await reader.poll();
    expect(reader.missed).toBe(false);
    await database.query("select setval('changes_id_seq', 20003)");
    await insert(quick);
    await reader.poll();
    expect(reader.missed).toBe(true);
  });

  it('goes on to see what ends after changes were missed', async () => {
    await insert(quick);
    await reader.poll();
    await database.query("select setval('changes_id_seq', 30000)");
    await slow.query('begin');
    const late = await insert(slow);
    const early = await insert(quick);
    expect(await reader.poll()).toEqual(early);
    expect(reader.missed).toBe(true);
    await slow.query('commit');
    expect(await reader.poll()).toEqual(late);
  });

  it('says so again when one ends whose id was among those that were too many', async () => {
    await insert(quick);
    await reader.poll();
    await slow.query('begin');
    await insert(slow);
    await database.query("select setval('changes_id_seq', 30000)");
    await insert(quick);
    await reader.poll();
    expect(reader.missed).toBe(true);
    reader.missed = false;
    await reader.poll();
    expect(reader.missed).toBe(false);
    await slow.query('commit');
    await until(async () => {
      await reader.poll();
      return reader.missed;
    });
  });

  it('sees each change that commits exactly once, whenever it begins, commits and is read', async () => {
    const admin = await connect(database.adminUrl);
    const clients = await Promise.all(Array.from({ length: 6 }, () => connect()));
    const readers = await connect();
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.constantFrom(1, 1, 1, 2, 700).map(
          (count): Step =>
            (log) =>
              log.begin(count),
        ),
      },
      {
        weight: 4,
        arbitrary: fc.nat().map(
          (which): Step =>
            (log) =>
              log.end(which, 'commit'),
        ),
      },
      {
        weight: 1,
        arbitrary: fc.nat().map(
          (which): Step =>
            (log) =>
              log.end(which, 'rollback'),
        ),
      },
      {
        weight: 4,
        arbitrary: fc.constant<Step>((log) => log.read()),
      },
    );
    const single = fc.oneof(
      fc.constant<Step>((log) => log.begin(1)),
      fc.nat().map(
        (which): Step =>
          (log) =>
            log.end(which, 'commit'),
      ),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(single, { maxLength: 10 }),
        fc.array(step, { maxLength: 25 }),
        async (before, after) => {
          await admin.query('truncate changes restart identity');
          const log = new Log(clients, new Reader(readers));
          for (const take of before) await take(log);
          await log.read();
          for (const take of after) await take(log);
          await log.close();
          expect(log.reader.missed).toBe(false);
          expect(log.seen).toEqual(log.committed);
        },
      ),
      { numRuns: 100 },
    );
  });
});

type Step = (log: Log) => Promise<void>;

/** Transactions that are open side by side, and what a reader must see of them. */
class Log {
  readonly reader: Reader;
  readonly #free: Client[];
  readonly #open: { client: Client; ids: number[] }[] = [];
  readonly #committed: number[] = [];
  #isFollowed = false;

  constructor(clients: Client[], follower: Reader) {
    this.#free = [...clients];
    this.reader = follower;
  }

  get seen(): number[] {
    return this.reader.seen.toSorted((a, b) => a - b);
  }

  /** What committed since the first read. */
  get committed(): number[] {
    return this.#committed.toSorted((a, b) => a - b);
  }

  async begin(count: number): Promise<void> {
    const client = this.#free.pop();
    if (!client) return;
    await client.query('begin');
    this.#open.push({ client, ids: await insert(client, count) });
  }

  async end(which: number, how: 'commit' | 'rollback'): Promise<void> {
    const [ended] = this.#open.splice(which % this.#open.length, 1);
    if (!ended) return;
    await ended.client.query(how);
    this.#free.push(ended.client);
    if (how === 'commit' && this.#isFollowed) this.#committed.push(...ended.ids);
  }

  async read(): Promise<void> {
    await this.reader.poll();
    this.#isFollowed = true;
  }

  async close(): Promise<void> {
    while (this.#open.length > 0) await this.end(0, 'commit');
    await this.reader.poll();
  }
}
