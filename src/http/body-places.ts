import { networkOf } from './network.ts';

const MAX_PLACES = 32;
/** Of all that is announced for them: what is dropped costs memory too, until it is collected. */
const MAX_BYTES = 8 * 1_048_576;
/** Clerk sends an event at once. Who needs longer than this leaves the place to others, and may repeat. */
const PLACE_MS = 5000;

interface Place {
  readonly network: string;
  readonly bytes: number;
  readonly lapse: AbortController;
}

/**
 * Bounds the bodies of strangers that are being read, so that they cost a bounded amount of memory. When all places are
 * taken, a new body gets the place of another: the oldest one of the network that has most. So whoever fills the places
 * shuts nobody out: an event that arrives at once needs its place for a moment only.
 */
export class BodyPlaces {
  /** In the order of their age. */
  readonly #places = new Set<Place>();

  /** Reads so many bytes at most with a place; `read` must end once its signal is aborted. */
  async hold<T>(address: string, bytes: number, read: (signal: AbortSignal) => Promise<T>): Promise<T> {
    while (this.#places.size > 0 && !this.#hasRoomFor(bytes)) this.#takeOneBack();
    const place = { network: networkOf(address), bytes, lapse: new AbortController() };
    this.#places.add(place);
    const timer = setTimeout(() => place.lapse.abort(), PLACE_MS);
    try {
      return await read(place.lapse.signal);
    } finally {
      clearTimeout(timer);
      this.#places.delete(place);
    }
  }

  #hasRoomFor(bytes: number): boolean {
    const taken = [...this.#places].reduce((sum, place) => sum + place.bytes, 0);
    return this.#places.size < MAX_PLACES && taken + bytes <= MAX_BYTES;
  }

  #takeOneBack(): void {
    const byNetwork = Object.values(Object.groupBy(this.#places, ({ network }) => network));
    const [oldest] =
      byNetwork.reduce((most, places) => ((places?.length ?? 0) > (most?.length ?? 0) ? places : most)) ?? [];
    if (!oldest) return;
    this.#places.delete(oldest);
    oldest.lapse.abort();
  }
}
