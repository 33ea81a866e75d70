import { readFile } from 'node:fs/promises';
import { Injectable } from '@nestjs/common';
import { definedProblems } from '@tensorloop/nest-kit/problem';
import { marked } from 'marked';

/** The same distance from `src` and from `dist`. */
const FOLDER = new URL('../../../../docs/errors/', import.meta.url);

/** The pages of docs/errors: what a problem means and what to do about it. A problem's `type` is the address of its page. */
@Injectable()
export class ProblemPagesService {
  private readonly pages = new Map<string, Promise<string>>();

  /** HTML of the page, or null when no problem has this code. */
  async find(code: string): Promise<string | null> {
    // Only what is defined is looked for: the code comes out of an address, and names a file.
    if (!definedProblems().some((problem) => problem.code === code)) return null;
    let page = this.pages.get(code);
    if (page === undefined) {
      page = readFile(new URL(`${code}.md`, FOLDER), 'utf8').then((text) => marked.parse(text, { async: true }));
      this.pages.set(code, page);
      // A file that could not be read now may be readable later.
      page.catch(() => this.pages.delete(code));
    }
    return page;
  }

  /** HTML of the list of all of them. */
  list(): string {
    const codes = [...new Set(definedProblems().map(({ code }) => code))].sort();
    const items = codes.map((code) => `<li><a href="errors/${code}"><code>${code}</code></a></li>`);
    return `<h1>Problems</h1>\n<p>What the API refuses with, by <code>code</code>.</p>\n<ul>${items.join('\n')}</ul>`;
  }
}
