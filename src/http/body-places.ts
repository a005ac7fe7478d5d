import { networkOf } from './network.ts';

const MAX_PLACES = 32;
/** Clerk sends an event at once. Who needs longer than this leaves the place to others, and may repeat. */
const PLACE_MS = 5000;

interface Place {
  readonly network: string;
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

  /** Reads with a place; `read` must end once its signal is aborted. */
  async hold<T>(address: string, read: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#places.size >= MAX_PLACES) this.#takeOneBack();
    const place = { network: networkOf(address), lapse: new AbortController() };
    this.#places.add(place);
    const timer = setTimeout(() => place.lapse.abort(), PLACE_MS);
    try {
      return await read(place.lapse.signal);
    } finally {
      clearTimeout(timer);
      this.#places.delete(place);
    }
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
