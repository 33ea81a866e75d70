import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Seconds, from half a millisecond (admission) to two minutes (a long completion). */
export const LATENCY_SECONDS_BUCKETS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120,
];
/** Seconds, for work inside the process that should take microseconds. */
export const OVERHEAD_SECONDS_BUCKETS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1];
/** Items in a batch. */
export const BATCH_SIZE_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];

export interface MetricOptions<Label extends string> {
  /** snake_case with the unit last, as Prometheus has it: `tensorloop_requests_total`. */
  name: string;
  help: string;
  labels?: readonly Label[];
}

export type HistogramOptions<Label extends string> = MetricOptions<Label> & { buckets: readonly number[] };
export type GaugeOptions<Label extends string> = MetricOptions<Label> & {
  /** Called at each scrape, to set a value that is cheaper to read than to keep. */
  collect?: (gauge: Gauge<Label>) => void | Promise<void>;
};

/** One service's metrics: its own registry, with the process's default metrics in it. */
export class Metrics {
  readonly registry = new Registry();

  constructor(service: string) {
    this.registry.setDefaultLabels({ service });
    collectDefaultMetrics({ register: this.registry });
  }

  counter<Label extends string = never>(options: MetricOptions<Label>): Counter<Label> {
    return new Counter({ ...this.base(options) });
  }

  histogram<Label extends string = never>(options: HistogramOptions<Label>): Histogram<Label> {
    return new Histogram({ ...this.base(options), buckets: [...options.buckets] });
  }

  gauge<Label extends string = never>(options: GaugeOptions<Label>): Gauge<Label> {
    const { collect } = options;
    if (collect === undefined) return new Gauge({ ...this.base(options) });
    return new Gauge({
      ...this.base(options),
      collect() {
        return collect(this);
      },
    });
  }

  /** Content type of `text()`. */
  get contentType(): string {
    return this.registry.contentType;
  }

  /** The exposition text for a scrape. */
  text(): Promise<string> {
    return this.registry.metrics();
  }

  private base<Label extends string>(options: MetricOptions<Label>) {
    return { name: options.name, help: options.help, labelNames: [...(options.labels ?? [])], registers: [this.registry] };
  }
}

export function createMetrics(service: string): Metrics {
  return new Metrics(service);
}
