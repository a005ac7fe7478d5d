import type { LoggerService } from '@nestjs/common';

/** Keeps standard output for what a command answers. */
export class ErrorsOnly implements LoggerService {
  readonly #stream: NodeJS.WritableStream;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
  }

  log(): void {
    // nobody asked
  }

  warn(message: unknown): void {
    this.#stream.write(`${String(message)}\n`);
  }

  error(message: unknown): void {
    this.#stream.write(`${String(message)}\n`);
  }
}
