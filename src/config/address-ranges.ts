import { isIPv4 } from 'node:net';

/** From the first address to before the last; an IPv4 address is the one that IPv6 has for it (`::ffff:a.b.c.d`). */
type Interval = [from: bigint, to: bigint];

const IPV4 = intervalOf('::ffff:0.0.0.0/96');
/** All that is given out of IPv6. */
const GLOBAL_IPV6 = intervalOf('2000::/3');
const PRIVATE_IPV4 = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
];
/** Networks for content have some million addresses together, a large company one or two /8. */
const MAX_PUBLIC_IPV4 = 2n ** 25n;
const MAX_PUBLIC_IPV6 = 2n ** 112n;

/** Whether these CIDRs together hold so much of the public IPv4 or IPv6 that nearly everyone is in them, in however many pieces. */
export function holdNearlyEveryone(ranges: string[]): boolean {
  const merged = merge(ranges.map(intervalOf));
  const within = (interval: Interval) => sum(merged.map((each) => sizeOf(overlapOf(each, interval))));
  const publicIpv4 = within(IPV4) - sum(PRIVATE_IPV4.map((range) => within(intervalOf(range))));
  return publicIpv4 > MAX_PUBLIC_IPV4 || within(GLOBAL_IPV6) > MAX_PUBLIC_IPV6;
}

function intervalOf(range: string): Interval {
  const [address = '', bits] = range.split('/');
  const isShort = isIPv4(address);
  const size = 2n ** BigInt((isShort ? 32 : 128) - Number(bits ?? (isShort ? 32 : 128)));
  const value = numberOf(isShort ? `::ffff:${address}` : address);
  const from = value - (value % size);
  return [from, from + size];
}

/** The URL parser knows every notation of an address. */
function numberOf(ipv6: string): bigint {
  const [head = '', tail = ''] = new URL(`http://[${ipv6.replace(/%.*$/, '')}]`).hostname.slice(1, -1).split('::');
  const [before, after] = [head, tail].map((part) => part.split(':').filter(Boolean)) as [string[], string[]];
  const groups = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
  return BigInt(`0x${groups.map((group) => group.padStart(4, '0')).join('')}`);
}

function merge(intervals: Interval[]): Interval[] {
  const merged: Interval[] = [];
  for (const [from, to] of intervals.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const last = merged.at(-1);
    if (last && from <= last[1]) last[1] = to > last[1] ? to : last[1];
    else merged.push([from, to]);
  }
  return merged;
}

function overlapOf(one: Interval, other: Interval): Interval {
  return [one[0] > other[0] ? one[0] : other[0], one[1] < other[1] ? one[1] : other[1]];
}

function sizeOf([from, to]: Interval): bigint {
  return to > from ? to - from : 0n;
}

function sum(sizes: bigint[]): bigint {
  return sizes.reduce((total, size) => total + size, 0n);
}
