import { isIPv4, isIPv6 } from 'node:net';

const IPV4_MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const IPV4_OCTETS_KEPT = 3;
const IPV6_GROUPS_KEPT = 3;
const IPV6_GROUPS = 8;

/**
 * The network of an address, "203.0.113.0/24" or "2001:db8:1::/48": enough to recognise a place, too little to find a
 * person. Empty for what is no address.
 */
export function networkPrefixOf(address: string): string {
  const text = IPV4_MAPPED.exec(address)?.[1] ?? address;
  if (isIPv4(text)) return `${text.split('.').slice(0, IPV4_OCTETS_KEPT).join('.')}.0/24`;
  if (!isIPv6(text)) return '';
  return `${expand(text).slice(0, IPV6_GROUPS_KEPT).join(':')}::/48`;
}

function expand(address: string): string[] {
  const [head = '', tail] = (address.split('%')[0] as string).split('::');
  const left = groupsOf(head);
  const right = groupsOf(tail ?? '');
  const gap = tail === undefined ? 0 : IPV6_GROUPS - left.length - right.length;
  return [...left, ...Array.from({ length: Math.max(0, gap) }, () => '0'), ...right];
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':').map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''));
}
