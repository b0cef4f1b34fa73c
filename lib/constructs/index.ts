export { ColorStack } from './color-stack';
export { FallbackStack } from './fallback-stack';
export * from './props';
export { SharedStack } from './shared-stack';
export { Switchback } from './switchback';
