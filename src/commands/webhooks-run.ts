import type { Settings } from '../config/index.ts';
import { Replay } from '../webhooks/index.ts';
import { printTable } from './table.ts';
import { UsageError } from './usage-error.ts';
import type { WebhooksOptions } from './webhooks-options.ts';
import { withoutServer } from './without-server.ts';

const COMMANDS = { list, show, replay: replayAll };

/** Does what was asked, in the application without its server. */
export async function runWebhooks(settings: Settings, options: WebhooksOptions): Promise<void> {
  const command = COMMANDS[options.command as keyof typeof COMMANDS];
  await withoutServer(settings, (app) => command(app.get(Replay), options));
}

async function list(replay: Replay, { filter, limit, json }: WebhooksOptions): Promise<void> {
  const events = await replay.list(filter, limit);
  if (json) return printJson(events);
  if (events.length === 0) return console.log('There are no such events.');
  printTable(
    ['ID', 'TYPE', 'STATUS', 'OBJECT', 'EVENT TIME', 'DELIVERIES', 'ERROR'],
    events.map((event) => [
      event.id,
      event.type,
      event.status,
      event.objectId ?? '',
      timeOf(event.eventAt),
      String(event.deliveries),
      event.error ?? '',
    ]),
  );
}

async function show(replay: Replay, { ids: [id = ''], json }: WebhooksOptions): Promise<void> {
  const event = await replay.find(id);
  if (!event) throw new UsageError(`There is no event ${id}.`);
  const jobs = await replay.deadJobsOf(id);
  if (json) return printJson([Object.assign({}, event, { deadJobs: jobs })]);
  const { payload, ...facts } = Object.assign({}, event);
  for (const [name, value] of Object.entries({ ...facts, eventAt: timeOf(event.eventAt) }))
    console.log(`${name.padEnd(12)} ${value instanceof Date ? value.toISOString() : (value ?? '')}`);
  for (const { name, error } of jobs) console.log(`dead job     ${name}: ${error}`);
  console.log(JSON.stringify(payload, null, 2));
}

async function replayAll(replay: Replay, { ids, filter, json }: WebhooksOptions): Promise<void> {
  let tried = 0;
  let failed = 0;
  for await (const id of ids.length > 0 ? ids : replay.ids(filter)) {
    const error = await replay.replay(id).then(
      () => undefined,
      (reason: Error) => reason.message,
    );
    tried++;
    if (error !== undefined) failed++;
    if (json) printJson([{ id, error: error ?? null }]);
    else console.log(error === undefined ? `${id} done` : `${id} FAILED: ${error}`);
  }
  if (!json) console.log(`${tried - failed} of ${tried} replayed`);
  if (failed > 0) process.exitCode = 1;
}

function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function printJson(rows: object[]): void {
  for (const row of rows) console.log(JSON.stringify(row));
}
