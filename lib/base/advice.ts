/**
 * What to type now, as errors and screens carry it. lib/report/advice.ts spells it once, for whoever reads: `npx switchback rollback`
 * where the package is installed, `npm run rollback` in this repository.
 */

/** What `switchback --help` lists. */
export type CommandName = 'stage' | 'plan' | 'cutover' | 'rollback' | 'teardown' | 'status' | 'sandbox';

export type Advice =
  /** A command of ours; `flags` as typed: `['--answer', 'go', '--reason', '"<why>"']`. */
  | { readonly verb: CommandName; readonly flags?: readonly string[] }
  /** `cdk deploy` of these stacks, by the names that this app gives them (lib/manifest/stack-names.ts). */
  | { readonly deploy: readonly string[] }
  /** Somebody else's command, as it is typed: `aws elbv2 describe-rules …`, SQL. */
  | { readonly type: string }
  /** What is no command: `wait: the schedule does it`. */
  | { readonly say: string }
  /** Something to do first: `set window: 3 in your CDK app`, then the command. */
  | { readonly first: string; readonly then: Advice };
