import { SingleBar } from 'cli-progress';

const LINE_EVERY_MS = 5000;

/** Perhaps one. */
export type Terminal = NodeJS.WritableStream & { isTTY?: boolean };

/** How far a long work is, with its rate and the time that is left. */
export interface Progress {
  /** `unit`: what is counted. */
  begin(unit: string, total: number, done: number): void;
  at(done: number): void;
  note(line: string): void;
  end(): void;
}

/** A bar on a terminal, plain lines elsewhere. */
export function progressOn(stream: Terminal): Progress {
  return stream.isTTY ? new Bar(stream) : new Lines(stream);
}

/** Counts from where it began: what an earlier process did says nothing of the rate. */
class Rate {
  readonly #began = performance.now();
  readonly #unit: string;
  readonly #total: number;
  readonly #first: number;

  constructor(unit: string, total: number, first: number) {
    this.#unit = unit;
    this.#total = total;
    this.#first = first;
  }

  line(done: number): string {
    const counted = `${figure(done)} of ${figure(this.#total)} ${this.#unit}`;
    if (done === this.#first) return counted;
    const perSecond = (done - this.#first) / ((performance.now() - this.#began) / 1000);
    return `${counted}, ${figure(perSecond)}/s, ${timeOf(Math.max(this.#total - done, 0) / perSecond)} left`;
  }
}

class Bar implements Progress {
  readonly #stream: Terminal;
  #bar: SingleBar | undefined;
  #rate: Rate | undefined;

  constructor(stream: Terminal) {
    this.#stream = stream;
  }

  begin(unit: string, total: number, done: number): void {
    this.#rate = new Rate(unit, total, done);
    this.#bar = new SingleBar({ stream: this.#stream, format: '{bar} {percentage}% {line}', hideCursor: true });
    this.#bar.start(total, done, { line: this.#rate.line(done) });
  }

  at(done: number): void {
    this.#bar?.update(done, { line: this.#rate?.line(done) });
  }

  note(line: string): void {
    this.#stream.write(`${line}\n`);
  }

  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

class Lines implements Progress {
  readonly #stream: Terminal;
  #rate: Rate | undefined;
  #done = 0;
  #saidAt = 0;

  constructor(stream: Terminal) {
    this.#stream = stream;
  }

  begin(unit: string, total: number, done: number): void {
    this.#rate = new Rate(unit, total, done);
    this.#done = done;
    this.#saidAt = performance.now();
  }

  at(done: number): void {
    this.#done = done;
    if (performance.now() - this.#saidAt < LINE_EVERY_MS) return;
    this.#saidAt = performance.now();
    this.#say();
  }

  note(line: string): void {
    this.#stream.write(`${line}\n`);
  }

  end(): void {
    if (this.#rate) this.#say();
    this.#rate = undefined;
  }

  #say(): void {
    this.note(this.#rate?.line(this.#done) ?? '');
  }
}

function figure(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function timeOf(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  return seconds < 6000 ? `${Math.ceil(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
