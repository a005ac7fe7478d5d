import { Reflector } from '@nestjs/core';

/** Opens a route, or all of a controller, to callers without a token. Everything else is closed. */
export const Public = Reflector.createDecorator<void, true>({ transform: () => true });
