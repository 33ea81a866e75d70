import type { CheckResult } from './runners.ts';

const SLOWEST_SHOWN = 5;

export interface FileTime {
  path: string;
  seconds: number;
}

/** The files that a run waited for longest: where to look when it has become slow. */
export function reportSlowest(files: FileTime[]): void {
  const slowest = files.toSorted((a, b) => b.seconds - a.seconds).slice(0, SLOWEST_SHOWN);
  if (slowest.length > 0) console.log('\nslowest:');
  for (const { path, seconds } of slowest) console.log(`${seconds.toFixed(1).padStart(8)} s  ${path}`);
}

/** Prints the table and the closing line; returns the exit code. */
export function reportTable(results: CheckResult[]): number {
  console.log(`\n${'check'.padEnd(22)}${'seconds'.padStart(9)}${'passed'.padStart(9)}${'failed'.padStart(9)}`);
  for (const { name = '', seconds, passed, failed } of results) {
    console.log(
      `${name.padEnd(22)}${seconds.toFixed(1).padStart(9)}${String(passed).padStart(9)}${String(failed).padStart(9)}`,
    );
  }
  const sum = (field: 'seconds' | 'passed' | 'failed') => results.reduce((total, result) => total + result[field], 0);
  console.log(`${'all'.padEnd(22)}${sum('seconds').toFixed(1).padStart(9)}`);
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed`);
  return results.length > 0 && results.every((result) => result.succeeded) ? 0 : 1;
}
