import { domainToASCII } from 'node:url';

/** Characters that fit into a mail transaction (RFC 5321, section 4.5.3.1.3). What is longer would cost time to encode, too. */
export const MAX_EMAIL_ADDRESS = 254;
/** Atoms of RFC 5322, with the letters of any script (RFC 6531). */
const LOCAL_PART = /^[^\p{C}\p{Z}@"(),.:;<>[\]\\]+(?:\.[^\p{C}\p{Z}@"(),.:;<>[\]\\]+)*$/u;
/** As it is written: what Node would decode or leave out is in no address. */
const WRITTEN_DOMAIN = /^(?:[A-Za-z0-9.-]|(?![\0-\x7f])[^\p{C}\p{Z}]|\p{Join_Control})+$/u;
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:[a-z]{2,}|xn--[a-z0-9-]*[a-z0-9])$/;

/** Whether it has the form of an e-mail address, also an internationalized one; whether there is a mailbox Clerk finds out. */
export function isEmailAddress(text: string): boolean {
  if (text.length > MAX_EMAIL_ADDRESS) return false;
  const { local, domain } = partsOf(text);
  return LOCAL_PART.test(local) && WRITTEN_DOMAIN.test(domain) && DOMAIN.test(domainToASCII(domain));
}

/** The same for all spellings of one address: `x@müller.example` is `x@xn--mller-kva.example` (RFC 5890). */
export function comparableAddress(address: string): string {
  const { local, domain } = partsOf(address);
  return `${local.normalize().toLowerCase()}@${domainToASCII(domain)}`;
}

/** Whether its domain has another spelling: in letters of any script and in ASCII. */
export function isInternationalized(address: string): boolean {
  const { domain } = partsOf(address);
  return domainToASCII(domain).includes('xn--');
}

function partsOf(address: string): { local: string; domain: string } {
  const at = address.lastIndexOf('@');
  return { local: address.slice(0, Math.max(at, 0)), domain: address.slice(at + 1) };
}
