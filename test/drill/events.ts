import { eventOf } from '../../local/clerk/events.ts';
import { History, type Told } from './history.ts';
import type { Random } from './random.ts';

export const INSTANCE = 'ins_drill';
const EVENTS_PER_USER = 50;
const DUPLICATES = 0.3;
/** Recent enough that no mark expires meanwhile. */
const BEGAN_MS_AGO = 25 * 60_000;

/** An event with its `svix-id`, and its envelope as the bytes to sign. */
export type DrillEvent = Told & { readonly id: string; readonly body: string };

/** So many events of some users, in the order in which they happened. */
export function drillEvents(random: Random, count: number): DrillEvent[] {
  const began = Date.now() - BEGAN_MS_AGO;
  const users = Array.from({ length: Math.ceil(count / EVENTS_PER_USER) }, (_, index) => {
    return new History(random, `user_drill${index}`, began);
  });
  const told = Array.from({ length: count }, (_, index) => users[index]?.begins() ?? random.oneOf(users).goesOn());
  return told.map((event, index) => ({ ...event, id: messageId(random, index), body: bodyOf(event) }));
}

/** Each event and the duplicates, shuffled; every other duplicate comes at the heels of its event. */
export function deliveriesOf(random: Random, events: DrillEvent[]): DrillEvent[] {
  const again = random.shuffled(events).slice(0, Math.round(events.length * DUPLICATES));
  const atOnce = new Set(again.slice(0, again.length / 2));
  const later = again.filter((event) => !atOnce.has(event));
  return random.shuffled([...events, ...later]).flatMap((event) => (atOnce.delete(event) ? [event, event] : [event]));
}

/** Of no order: equal times are decided by it. */
function messageId(random: Random, index: number): string {
  return `msg_${random.below(2 ** 31).toString(36)}${index.toString(36)}`;
}

function bodyOf(event: Told): string {
  const type = event.type === 'unknown' ? event.of : event.type;
  return JSON.stringify(eventOf(INSTANCE, type, event.data, 'at' in event ? event.at : event.data.updated_at));
}
