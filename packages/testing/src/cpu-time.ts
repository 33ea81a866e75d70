/** Milliseconds of a core that `work` took in this process. Unlike the time that passed it does not grow with what else the machine does. */
export function cpuMsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
