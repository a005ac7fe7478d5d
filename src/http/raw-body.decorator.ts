import { Reflector } from '@nestjs/core';

/** The route takes its body as the bytes that were sent, of any type, up to this size (`1mb`). */
export const RawBody = Reflector.createDecorator<string>();
