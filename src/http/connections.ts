import type { Server } from 'node:http';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { NextFunction, Request, Response } from 'express';

/** How long what is running may take to finish once the process is told to end. */
const SHUTDOWN_MS = 10_000;

/** While the process ends a connection ends with its answer: one that is kept busy would keep the process alive. */
export function endWithServer(server: Server) {
  return (request: Request, response: Response, next: NextFunction): void => {
    if (!server.listening) response.setHeader('connection', 'close');
    response.once('finish', () => {
      if (!server.listening) request.socket.end();
    });
    next();
  };
}

/** A closing server no longer enforces its time-outs, so a request that is never sent whole would hold it for ever. */
@Injectable()
export class ShutdownLimit implements BeforeApplicationShutdown {
  constructor(private readonly host: HttpAdapterHost) {}

  beforeApplicationShutdown(): void {
    const server = this.host.httpAdapter.getHttpServer() as Server;
    // again and again: until it has stopped listening others may come
    const timer = setInterval(() => server.closeAllConnections(), SHUTDOWN_MS).unref();
    server.once('close', () => clearInterval(timer));
  }
}
