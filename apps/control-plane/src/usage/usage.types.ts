/** For whom usage is asked, and the trace the question belongs to. */
export interface UsageCaller {
  accountId: string;
  traceparent: string | undefined;
}
