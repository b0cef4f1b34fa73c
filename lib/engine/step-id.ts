/** The names of all steps. */

/** Steps of the trial; a later attempt adds its number. */
export type TrialStep =
  | 'snapshot'
  | 'restore'
  | 'fence'
  | 'form'
  | 'migrate'
  | 'expanded'
  | 'fork'
  | 'fenced-after'
  | 'preflight'
  | 'differences'
  | 'bridge'
  | 'footprint'
  | 'feed'
  | 'canary'
  | 'round-trip'
  | 'writes'
  | 'hold'
  | 'closed'
  | 'kept'
  | 'sequences'
  | 'drained'
  | 'stop'
  | 'unbridge'
  | 'open'
  | 'reopen'
  | 'revert'
  | 'moment'
  | 'equal'
  | 'losses'
  | 'aside'
  | 'unfeed'
  | 'again'
  | 'contract'
  | 'after'
  | 'classified'
  | 'passed'
  | 'remove'
  | 'clear';

/** Every step there is. Ids are written into journals: none is ever given to something else. */
export type StepId =
  | 'preflight'
  | 'release.ready'
  | `standby.${'database' | 'workers' | 'move' | 'fallback' | 'idle' | 'delete'}`
  | `trial.${TrialStep}`
  | `trial.${TrialStep}.${number}`
  | `window.${'record' | 'release' | 'close'}`
  | `fallback.${'ready' | 'answers' | 'level' | 'promote' | 'fence' | 'delete'}`
  | `fork.${'way' | 'slot' | 'feed' | 'copy' | 'round-trip'}`
  | `traffic.${'maintenance' | 'maintenance-seen' | 'open' | 'switch' | 'proof'}`
  | `workers.${'stop' | 'start'}`
  | `database.${'rights' | 'drain' | 'fence' | 'fenced-after' | 'open'}`
  | 'open-paths.fallback'
  | `feed.${'level' | 'canary' | 'drained' | 'pause' | 'resume' | 'bridge' | 'unbridge' | 'footprint' | 'round-trip' | 'stop' | 'remove'}`
  | `form.${'before' | 'classified' | 'aside'}`
  | 'deleted.back'
  | 'migrations'
  | 'migrations.contract'
  | 'checks.smoke'
  | 'gate.go'
  | 'watch'
  | 'watch.schedule'
  | 'hold.schedule'
  | `loss.${'baseline' | 'accepted' | 'manifest'}`
  | `proof.${'moment' | 'equal'}`
  | 'sequences.ahead'
  | 'production.pointer'
  | `live.${'production' | 'fallback'}`
  | 'bridge.remove'
  | `retired.${'untouched' | 'fence' | 'delete'}`
  | 'final.snapshot'
  | `undo.${'trial' | 'feed' | 'rights' | 'release' | 'close' | 'fallback'}`
  /** No step: the question at the decision time, asked and answered as at a gate. */
  | 'decision.time';

/** The question at the decision time: asked and answered as at a gate. */
export const decisionStep = 'decision.time' satisfies StepId;

/** The comparison after a rollback: what it found is kept by the journal as a verdict. */
export const proofStep = 'proof.equal' satisfies StepId;
