import { definedProblems, type ProblemFactory, problemStatus, problemTitle } from '@tensorloop/nest-kit/problem';

const BEGIN = '<!-- what the code says; `npm run openapi` writes it -->';
const END = '<!-- by hand from here on -->';
const MEANING = '## What it means';
const REMEDY = '## What to do';
/** Characters of a part that was written by hand; less says nothing. */
const PART_LENGTH_MIN = 30;

export interface ProblemPage {
  code: string;
  /** The page with its head as the code has it now; a page of headings where there was none. */
  update(before: string | null): string;
  /** What is wrong with the page, as sentences. */
  findFaults(text: string): string[];
}

/** One for each code, in alphabetical order. Features may share a code that means the same and word it for themselves. */
export function problemPages(): ProblemPage[] {
  const byCode = Map.groupBy(definedProblems(), ({ code }) => code);
  return [...byCode].sort(([a], [b]) => (a < b ? -1 : 1)).map(([code, problems]) => toPage(code, problems));
}

/** Codes that are answered with different statuses, which is to mean different things. */
export function ambiguousCodes(): string[] {
  const byCode = Map.groupBy(definedProblems(), ({ code }) => code);
  return [...byCode]
    .filter(([, problems]) => new Set(problems.map(({ definition }) => definition.kind)).size > 1)
    .map(([code]) => code);
}

function toPage(code: string, problems: readonly ProblemFactory[]): ProblemPage {
  const kind = (problems[0] as ProblemFactory).definition.kind;
  const texts = [...new Set(problems.map(({ definition }) => definition.text))].sort();
  const said = texts.length === 1 ? ` ${texts[0]}` : `\n\n${texts.map((text) => `- ${text}`).join('\n')}`;
  const head = `# ${code}\n\n${BEGIN}\n\n**${problemStatus(kind)} ${problemTitle(kind)}.**${said}\n\n${END}\n`;
  return {
    code,
    update(before) {
      const end = before?.indexOf(END) ?? -1;
      if (before === null || end < 0) return `${head}\n${MEANING}\n\n${REMEDY}\n`;
      return head + before.slice(end + END.length).replace(/^\n/, '');
    },
    findFaults(text) {
      const faults = text.startsWith(head) ? [] : [`docs/errors/${code}.md is out of step with the code: npm run openapi`];
      const [, meaning = '', remedy = ''] = text.split(new RegExp(`${MEANING}|${REMEDY}`));
      if (meaning.trim().length < PART_LENGTH_MIN) faults.push(`docs/errors/${code}.md does not say what it means`);
      if (remedy.trim().length < PART_LENGTH_MIN) faults.push(`docs/errors/${code}.md does not say what to do`);
      return faults;
    },
  };
}
