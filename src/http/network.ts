import { isIPv4, isIPv6 } from 'node:net';

/** Groups of 16 bits that one customer of a provider has for itself (RFC 6177): a /64. */
const NETWORK_GROUPS = 4;
const IPV4_WITH_PORT = /^(\d+\.\d+\.\d+\.\d+):\d+$/;
const BRACKETED = /^\[([^\]]*)\](?::\d+)?$/;

/**
 * Returns who an address belongs to: of IPv6 the /64, since one home can use each of its 2^64 addresses; an IPv4 address as
 * it is, also when it is written as IPv6 (`::ffff:a.b.c.d`). Every notation of an address gives the same text.
 */
export function networkOf(address: string): string {
  const bare = (IPV4_WITH_PORT.exec(address)?.[1] ?? BRACKETED.exec(address)?.[1] ?? address).replace(/%.*$/, '');
  if (isIPv4(bare) || !isIPv6(bare)) return bare;
  const groups = groupsOf(bare);
  const isMapped = groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff';
  return isMapped ? ipv4Of(groups.slice(6)) : `${groups.slice(0, NETWORK_GROUPS).join(':')}::/64`;
}

/** The eight groups, in lower case and without leading zeros. The URL parser knows every notation. */
function groupsOf(ipv6: string): string[] {
  const [head = '', tail] = new URL(`http://[${ipv6}]`).hostname.slice(1, -1).split('::');
  const [before, after] = [head, tail ?? ''].map((part) => part.split(':').filter(Boolean)) as [string[], string[]];
  return [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
}

function ipv4Of(groups: string[]): string {
  return groups
    .map((group) => Number.parseInt(group, 16))
    .flatMap((group) => [group >> 8, group & 255])
    .join('.');
}
