/** Injection token of the service's `Tracing`. */
export const TRACING = Symbol('TRACING');
