// The main show

// Supporting acts
export type {
  ApplicationProps,
  CheckProps,
  ColorStack,
  DatabaseProps,
  FallbackStack,
  ImageOfRelease,
  MaintenanceProps,
  MigrationProps,
  RoutingKeyProps,
  ScalingProps,
  SharedStack,
  SwitchbackProps,
  WorkerProps,
} from './constructs';
export { Switchback } from './constructs';
export type { Color, Release } from './manifest/schema';
