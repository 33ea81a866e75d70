/**
 * Keeps the last object of a kind that lives for a moment only: a message's headers, a command.
 *
 * Optimized code refers weakly to the shapes of the objects that it was made for. When a full collection finds no object of such a
 * shape, V8 throws the code away and compiles it anew. V8 would keep the shapes itself, but it looks for them before it marks
 * (MarkCompactCollector::RetainMaps), which finds them only where marking is incremental; the gateway's is not
 * (docs/performance-notes.md, "A thirteenth round").
 */
export class KeptShape<T> {
  last: T | null = null;

  keep(object: T): T {
    this.last = object;
    return object;
  }
}
