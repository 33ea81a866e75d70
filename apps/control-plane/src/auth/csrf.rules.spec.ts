import { describe, expect, it } from '@jest/globals';
import { isForged } from './csrf.rules.js';

const OWN = 'https://dashboard.example.com';
const post = (fetchSite?: string, origin?: string) => isForged({ method: 'POST', fetchSite, origin }, OWN);

describe('cross-site request forgery', () => {
  it.each(['cross-site', 'same-site', 'nonsense', ''])('refuses a change from a page whose Sec-Fetch-Site is "%s"', (site) => {
    expect(post(site)).toBe(true);
    // A page cannot make up for it with an Origin.
    expect(post(site, OWN)).toBe(true);
  });

  it.each(['https://evil.example', 'null', 'http://dashboard.example.com', 'https://dashboard.example.com:8443', ''])(
    'refuses a change from Origin "%s" of an older browser',
    (origin) => {
      expect(post(undefined, origin)).toBe(true);
    },
  );

  it('lets the dashboard, the address bar, and clients that are no browsers through', () => {
    expect(post('same-origin', OWN)).toBe(false);
    expect(post('none')).toBe(false);
    expect(post(undefined, OWN)).toBe(false);
    expect(post()).toBe(false);
  });

  it('lets reads through', () => {
    expect(isForged({ method: 'GET', fetchSite: 'cross-site', origin: undefined }, OWN)).toBe(false);
  });
});
