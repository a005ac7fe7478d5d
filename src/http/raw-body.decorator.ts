import { Reflector } from '@nestjs/core';

/** The route takes its body as the bytes that were sent, of any type, up to so many bytes. */
export const RawBody = Reflector.createDecorator<number>();
