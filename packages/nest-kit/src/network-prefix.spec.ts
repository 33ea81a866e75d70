import { describe, expect, it } from '@jest/globals';
import { networkPrefixOf } from './network-prefix.js';

describe('network prefix', () => {
  it.each([
    ['203.0.113.77', '203.0.113.0/24'],
    ['::ffff:203.0.113.77', '203.0.113.0/24'],
    ['2001:db8:1:2::5', '2001:db8:1::/48'],
    ['2001:0DB8::1', '2001:db8:0::/48'],
    ['::1', '0:0:0::/48'],
    ['fe80::1%eth0', 'fe80:0:0::/48'],
  ])('cuts %s to %s', (address, prefix) => {
    expect(networkPrefixOf(address)).toBe(prefix);
  });

  it('says nothing about what is no address', () => {
    expect(networkPrefixOf('unix:/run/x')).toBe('');
  });
});
