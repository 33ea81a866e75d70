import { describe, expect, it } from '@jest/globals';
import { deviceOf } from './device.rules.js';

const WINDOWS_CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36';

describe('the device of a session (TL-1)', () => {
  it.each([
    [WINDOWS_CHROME, 'Chrome 147', 'Windows'],
    [`${WINDOWS_CHROME} Edg/147.0.0.0`, 'Edge 147', 'Windows'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0', 'Firefox 150', 'Linux'],
    [
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15',
      'Safari 26',
      'macOS',
    ],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1',
      'Safari 26',
      'iOS',
    ],
    [
      'Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Mobile Safari/537.36',
      'Chrome 147',
      'Android',
    ],
    ['curl/8.5.0', 'curl 8', null],
    ['node', null, null],
    ['', null, null],
  ])('of "%s" is %s on %s', (userAgent, browser, system) => {
    expect(deviceOf(userAgent)).toEqual({ browser, system });
  });

  it('repeats nothing that the browser made up', () => {
    expect(deviceOf('<script>Firefox/<b>1</b></script> (Windows NT <i>)')).toEqual({ browser: null, system: 'Windows' });
  });
});
