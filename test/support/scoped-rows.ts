import { randomUUID } from 'node:crypto';
import type { EntityMetadata, EntityProperty } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/postgresql';
import { Client } from 'pg';
import { type Key, readKeys } from './catalogue-read.ts';
import { onClose } from './closing.ts';
import type { TestDatabase } from './database.ts';

/** Whose a row is: of that tenant, and where it is a person's too, of that user. */
export interface Owner {
  tenantId: string | null;
  userId: string;
}

/** What an entity is made of, by property. */
export type Data = Record<string, unknown>;
/** By column. */
type Row = { id: string } & Record<string, unknown>;

/** Rows of whatever scoped entity, made and looked at as superuser, from what the ORM and the catalogue know of them. */
export class ScopedRows {
  private constructor(
    private readonly orm: MikroORM,
    private readonly admin: Client,
    private readonly keys: Key[],
  ) {}

  static async of(database: TestDatabase, orm: MikroORM): Promise<ScopedRows> {
    const admin = new Client({ connectionString: database.adminUrl });
    await admin.connect();
    onClose(() => admin.end());
    return new ScopedRows(orm, admin, await readKeys(database));
  }

  async aTenant(): Promise<string> {
    return this.#insert('tenants', { id: randomUUID(), clerk_id: randomUUID() });
  }

  async aUser(): Promise<string> {
    return this.#insert('users', { id: randomUUID(), clerk_id: randomUUID() });
  }

  /** What a new one of that owner is made of; rows that it refers to are made. */
  async dataOf(meta: EntityMetadata, owner: Owner): Promise<Data> {
    const data: Data = { id: randomUUID() };
    for (const property of meta.props)
      if (isNeeded(property)) data[property.name] = await this.#value(meta, property, owner);
    return data;
  }

  async insert(meta: EntityMetadata, owner: Owner): Promise<Data & { id: string }> {
    const data = await this.dataOf(meta, owner);
    await this.#insert(meta.tableName, columnsOf(meta, data));
    return data as Data & { id: string };
  }

  /** All that is in the table; each row tells by its xmin when it was written. */
  async all(meta: EntityMetadata): Promise<Row[]> {
    return (await this.admin.query<Row>(`select *, xmin::text from ${meta.tableName} order by id`)).rows;
  }

  async clear(meta: EntityMetadata): Promise<void> {
    await this.admin.query(`delete from ${meta.tableName}`);
  }

  async #value(meta: EntityMetadata, property: EntityProperty, owner: Owner): Promise<unknown> {
    if (property.name === 'ownerId') return owner.tenantId ?? owner.userId;
    if (property.name === 'tenantId') return owner.tenantId;
    const [column] = property.fieldNames;
    const key = this.keys.find(
      ({ table, columns }) => table === meta.tableName && columns.some(([from]) => from === column),
    );
    if (key || property.name === 'userId') return this.#referred(key?.to ?? 'users', owner);
    return valueOf(property);
  }

  async #referred(table: string, owner: Owner): Promise<string> {
    if (table === 'users') return owner.userId;
    const meta = [...this.orm.getMetadata().getAll().values()].find(({ tableName }) => tableName === table);
    return (await this.insert(meta as EntityMetadata, owner)).id;
  }

  async #insert(table: string, row: Record<string, unknown>): Promise<string> {
    const [columns, values] = [Object.keys(row), Object.values(row)];
    await this.admin.query(
      `insert into ${table} (${columns.join(', ')}) values (${columns.map((_, index) => `$${index + 1}`).join(', ')})`,
      values,
    );
    return row.id as string;
  }
}

export function columnsOf(meta: EntityMetadata, data: Data): Record<string, unknown> {
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [columnOf(meta, name), value]));
}

export function columnOf(meta: EntityMetadata, name: string): string {
  return meta.properties[name as never]?.fieldNames[0] as string;
}

/** Stored, not null, and without a value of PostgreSQL's own; the scope's column is said. */
function isNeeded({ name, persist, primary, nullable, default: value, defaultRaw }: EntityProperty): boolean {
  if (name === 'tenantId' || name === 'ownerId') return true;
  return persist !== false && !primary && !nullable && value === undefined && defaultRaw === undefined;
}

function valueOf({ name, columnTypes: [type = ''], items }: EntityProperty): unknown {
  if (items?.[0] !== undefined) return items[0];
  if (/^(text|varchar|char)/.test(type)) return `${name} ${randomUUID()}`;
  if (/^timestamp|^date/.test(type)) return new Date(0);
  if (/^(int|bigint|smallint|numeric|real|double)/.test(type)) return 1;
  if (type === 'uuid') return randomUUID();
  if (type === 'boolean') return true;
  if (type.startsWith('json')) return {};
  throw new Error(`test/support/scoped-rows.ts has no value of type ${type}`);
}
