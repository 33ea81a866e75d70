import { SHOWN_PER_KIND_MAX } from '../oracle/violation.js';
import type { SteadyReport } from '../steady/steady.types.js';

export function formatSteady(report: SteadyReport): string {
  const { scenario, saturationPerSecond, calls, figures, windows, violations } = report;
  const lines = ['', `${scenario}: saturation ${saturationPerSecond} calls/s, ${calls} calls booked`, ''];
  for (const [name, value] of Object.entries(figures)) lines.push(`  ${name}: ${value ?? 'none'}`);
  if (scenario === 'overload')
    for (const [name, window] of Object.entries(windows)) lines.push(`  ${name}: ${JSON.stringify(window)}`);
  for (const { kind, subject, expected, actual } of violations.slice(0, SHOWN_PER_KIND_MAX))
    lines.push(`  VIOLATION ${kind}: ${subject}: expected ${expected}, found ${actual}`);
  lines.push('', `${violations.length} violations.`, '');
  return lines.join('\n');
}
