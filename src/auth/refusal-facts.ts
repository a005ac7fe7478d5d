/** For the log: ids that somebody has proven, and the origin or issuer that was refused. */
export interface RefusalFacts {
  readonly user?: string;
  readonly tenant?: string;
  readonly origin?: string;
  readonly issuer?: string;
  readonly audience?: string;
}

const MAX_SHOWN = 100;

/** A text that others wrote, for the log: the signs of an origin alone, so that it breaks no line and names nobody, and short. */
export function shown(text: unknown): string {
  const whole = typeof text === 'string' ? text : JSON.stringify(text ?? null);
  const plain = whole.slice(0, MAX_SHOWN).replaceAll(/[^\w.:/-]/g, '?');
  return whole.length > MAX_SHOWN ? `${plain}…` : plain;
}

/** Clerk's ids of whose a token is, by a payload that is verified. */
export function idsIn({ sub, o, org_id: first }: Record<string, unknown>): Pick<RefusalFacts, 'user' | 'tenant'> {
  const second = (o as { id?: unknown } | null | undefined)?.id;
  return { user: idOf('user', sub), tenant: idOf('org', second ?? first ?? sub) };
}

function idOf(kind: 'user' | 'org', value: unknown): string | undefined {
  return typeof value === 'string' && new RegExp(`^${kind}_\\w{1,100}$`).test(value) ? value : undefined;
}
