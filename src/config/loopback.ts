export const LOOPBACK_HOSTS = ['127.0.0.1', '::1', 'localhost'];

/** Whether nobody else reaches this host; brackets around an IPv6 address are those of a URL. */
export function isLoopback(host: string): boolean {
  return LOOPBACK_HOSTS.includes(host.replace(/^\[|\]$/g, ''));
}
