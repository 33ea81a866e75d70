import type { CookieOptions, Request, Response } from 'express';
import { isSessionToken, SESSION_ABSOLUTE_MS } from './session.rules.js';

const NAME = 'tl_session';
const COOKIES_LENGTH_MAX = 8_192;

/**
 * The session cookie. Over https it is `__Host-`: Secure, for this host alone, path "/", so that no sibling domain can set
 * it. Browsers refuse that prefix without https, hence the plain name on a developer's machine.
 */
export class SessionCookie {
  private readonly name: string;
  private readonly options: CookieOptions;

  constructor(publicUrl: string) {
    const isSecure = publicUrl.startsWith('https://');
    this.name = isSecure ? `__Host-${NAME}` : NAME;
    this.options = { httpOnly: true, sameSite: 'lax', path: '/', secure: isSecure };
  }

  /** The token the request carries, or null when it carries none that could be one. */
  read(req: Request): string | null {
    const header = req.headers.cookie ?? '';
    if (header.length > COOKIES_LENGTH_MAX) return null;
    const prefix = `${this.name}=`;
    const pair = header.split(/; */).find((part) => part.startsWith(prefix));
    const token = pair?.slice(prefix.length) ?? '';
    return isSessionToken(token) ? token : null;
  }

  write(res: Response, token: string): void {
    res.cookie(this.name, token, { ...this.options, maxAge: SESSION_ABSOLUTE_MS });
  }

  clear(res: Response): void {
    res.clearCookie(this.name, this.options);
  }
}
