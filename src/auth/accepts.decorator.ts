import { complain, declare, declaredOn } from './declared.ts';
import { TOKEN_TYPES, type TokenType } from './token-type.ts';

const ACCEPTS = 'gatehouse:accepts';

/** What a route takes that says nothing. */
export const SESSIONS_ONLY: readonly TokenType[] = ['session_token'];

/**
 * Says which kinds of token a route, or all of a controller, takes; without it session tokens alone. Others are refused with
 * 403 `token_type_not_accepted`, before anybody is asked about them. What a method says takes the place of what its
 * controller says.
 */
export function Accepts(...types: [TokenType, ...TokenType[]]) {
  if (types.length === 0 || !types.every((type) => TOKEN_TYPES.includes(type)))
    return complain(`@Accepts takes one or more of ${TOKEN_TYPES.join(', ')}`);
  return declare(ACCEPTS, () => types);
}

/** Where a handler has several names, what all of them say. */
export function acceptedOn(controller: { prototype: object }, methods: string[]): readonly TokenType[] {
  const declared = declaredOn<readonly TokenType[]>(ACCEPTS, controller, methods);
  const [first, ...others] = declared.methods;
  if (!first) return declared.controller ?? SESSIONS_ONLY;
  return first.filter((type) => others.every((types) => types.includes(type)));
}
