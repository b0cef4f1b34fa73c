/** The kinds of faults, by what goes wrong. */

/** The call itself goes wrong. */
export const callFaults = ['throttle', 'error', 'refuse', 'lost', 'slow'] as const;
/** Something happens to a thing, just before the call that the rule names, or at once (FAULT_NOW_PATH). */
export const thingFaults = ['crash', 'down', 'restart', 'stall', 'slot', 'kill', 'flap', 'clock', 'asleep'] as const;
/** The operation that the call begins goes otherwise than usual: it takes long, or the process that it stops ignores SIGTERM. */
export const operationFaults = ['long', 'ignores-sigterm'] as const;

export type ThingFaultKind = (typeof thingFaults)[number];
export type OperationFaultKind = (typeof operationFaults)[number];
export const isThingFault = (kind: string): kind is ThingFaultKind => (thingFaults as readonly string[]).includes(kind);
export const isOperationFault = (kind: string): kind is OperationFaultKind => (operationFaults as readonly string[]).includes(kind);
