/** Milliseconds of a core that `work` took on this thread. Unlike the time that passed they hardly grow with what else the machine does. */
export function cpuMsOf(work: () => void): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}
