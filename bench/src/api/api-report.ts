import { type ApiBenchReport, BUSY_P95_MS_MAX, type EndpointFigures, type SignInFigures } from './api.types.js';

const whole = (value: number) => Math.round(value).toLocaleString('en-US');
const ms = (value: number) => value.toFixed(1);
/** Other work on the machine than ours when it began. */
const SHARED_LOAD = 0.5;

type Row = (string | number)[];

function table(heads: string[], rows: Row[]): string {
  return [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The section of docs/performance.md. */
export function formatApiBench(report: ApiBenchReport): string {
  const busiest = report.endpoints.filter(({ isBusy }) => isBusy);
  const others = report.endpoints.filter(({ isBusy }) => !isBusy);
  const isMet = report.busiestP95Ms <= BUSY_P95_MS_MAX;
  return `${[
    '## Dashboard API',
    intro(report),
    `p95 of the ten busiest, at most ${BUSY_P95_MS_MAX} ms: **${ms(report.busiestP95Ms)} ms at most, ${isMet ? 'met' : 'not met'}**.`,
    endpoints(busiest),
    'The busiest are what a dashboard asks with every page (who is signed in), on the pages people land on (keys, projects), whenever the live stream says that there are new calls (the sums of the overview, the activity), with the two filters that are used most, and for the call somebody clicks on. The widest questions and rarer filters:',
    endpoints(others),
    '### Signing in',
    signIn(report.signIn),
  ].join('\n\n')}\n`;
}

function intro({ startedAt, command, machine, connections, rows, fillSeconds, endpoints: [first] }: ApiBenchReport): string {
  const shared =
    machine.loadAverageBefore > SHARED_LOAD
      ? ` Load average ${machine.loadAverageBefore} before it began: the machine was not idle.`
      : '';
  const tables = Object.entries(rows).map(([name, count]) => `${whole(count)} of \`${name}\``);
  return `Written by \`${command}\` on ${startedAt.slice(0, 16).replace('T', ' ')} UTC. Machine: ${machine.cores} cores of ${machine.cpu}, ${machine.memoryGb} GB, Node ${machine.node}; servers, services and the client share them.${shared}

One account with ${whole(rows.usage ?? 0)} calls in 90 days, another with a tenth as many between them. Rows of the account: ${tables.join(', ')}; filled in by SQL in
${whole(fillSeconds)} s and counted against each other. The built control plane and metering answer over HTTP as they are shipped, nothing is cached between the two and the
database. ${connections} connections at once, ${first?.calls ?? 0} requests each after 10 unmeasured ones; the status, schema and contents of each answer are checked.`;
}

function endpoints(figures: readonly EndpointFigures[]): string {
  return table(
    ['', 'request', 'p50 ms', 'p95 ms', 'max ms', 'kB'],
    figures.map(({ name, path, p50Ms, p95Ms, maxMs, bytes }) => [
      name,
      `\`GET ${shown(path)}\``,
      ms(p50Ms),
      ms(p95Ms),
      ms(maxMs),
      (bytes / 1_000).toFixed(1),
    ]),
  );
}

/** Ids and cursors say nothing to a reader. */
function shown(path: string): string {
  return path
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '{id}')
    .replace(/cursor=[^&]+/, 'cursor=…')
    .replace('&timeZone=Europe/Berlin', '')
    .replace(/from=\d{4}-\d\d-\d\d(&to=[\d-]+)?/, 'from=…');
}

function signIn({ calls, p50Ms, p95Ms, hashed, throttled }: SignInFigures): string {
  const cells = table(
    ['refused sign-ins', 'per second', 'CPU µs each', 'per second of one core'],
    [
      ['wrong password, checked by argon2id', hashed],
      ['of a network that tried too often', throttled],
    ].map(([name, figures]) => {
      const { perSecond, cpuMicrosEach, perCoreSecond } = figures as SignInFigures['hashed'];
      return [name as string, whole(perSecond), whole(cpuMicrosEach), whole(perCoreSecond)];
    }),
  );
  return `A sign-in takes ${ms(p50Ms)} ms at the median and ${ms(p95Ms)} ms at the 95th percentile, one at a time (${calls} of them): nearly all of it is argon2id. CPU time is the control plane's, and one core's share is computed from it.\n\n${cells}`;
}
