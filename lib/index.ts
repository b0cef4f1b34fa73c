// The main show

// Supporting acts
export type {
  ApplicationProps,
  BridgeColumn,
  BridgeRows,
  BridgeSet,
  Bridges,
  CheckProps,
  ColorStack,
  DatabaseProps,
  FallbackStack,
  FrontDoor,
  ImageOfRelease,
  MaintenanceProps,
  MigrationProps,
  Network,
  ProductionDatabase,
  RoutingKeyProps,
  Runner,
  ScalingProps,
  SharedStack,
  SwitchbackProps,
  TaskFactory,
  WorkerProps,
} from './constructs';
export { Switchback } from './constructs';
export type { Color, Release } from './manifest/release';
