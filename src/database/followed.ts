import type { ChangeLog } from './change-log.service.ts';
import { Remembered } from './remembered.ts';
import { isDatabaseUnavailable } from './unavailable.ts';

interface Source<V> {
  /** Of the change log; its keys are those of `load`. */
  topic: string;
  max: number;
  load: (key: string) => Promise<V | undefined>;
  /** A topic of which any change makes all of them wrong. */
  ground?: string;
  /** Whether a copy may serve although the log is behind, for as long as any may: not of what is revoked. */
  mayLag?: boolean;
}

/** Copies of rows in this process that follow the change log: right while that is read, checked while it is not. */
export class Followed<V extends object> {
  readonly #values: Remembered<V>;
  readonly #changes: ChangeLog;
  readonly #mayLag: boolean;

  constructor(changes: ChangeLog, { topic, max, load, ground, mayLag = false }: Source<V>) {
    this.#mayLag = mayLag;
    this.#changes = changes;
    this.#values = new Remembered<V>(max, load);
    const all = () => this.#values.forgetAll();
    changes.listen(topic, { one: (key) => this.#values.forget(key), all });
    if (ground) changes.listen(ground, { one: all, all });
  }

  /** What is remembered and right at this moment; undefined when it must be asked for. */
  peek(key: string): V | undefined {
    return this.#isRight ? this.#values.peek(key) : undefined;
  }

  /** From memory while the change log is followed, else from the table, else for a while from memory. */
  async find(key: string): Promise<V | undefined> {
    if (this.#isRight) return this.#values.get(key);
    try {
      return await this.#values.refresh(key);
    } catch (error) {
      const known = this.#changes.isRecent ? this.#values.peek(key) : undefined;
      if (!known || !isDatabaseUnavailable(error)) throw error;
      return known;
    }
  }

  get #isRight(): boolean {
    return this.#mayLag ? this.#changes.isRecent : this.#changes.isCurrent;
  }

  /** From the table, whatever is remembered or under way. */
  async reload(key: string): Promise<V | undefined> {
    this.#values.forget(key);
    return this.#values.refresh(key);
  }
}
