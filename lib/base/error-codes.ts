/**
 * Every code of a `Stop` and of a step that failed: what has happened, and the way out. A code that is not here does not compile.
 * docs/errors.md is made from this (`npm run reference`). Codes are public: scripts ask for them, so none is renamed or given another
 * meaning. What the preflight finds has its words beside its SQL (lib/postgres/preflight).
 */
import { type Advice, answers, evaluate, say, switchback, typed } from './advice';

interface Entry {
  /** What has happened, in one sentence. */
  readonly means: string;
  /** What a person does about it, in one sentence. The message of the error itself has the names and values. */
  readonly wayOut: Advice;
}

const rollback = switchback('rollback');
const undo = switchback('stage', '--undo');
const status = switchback('status');
const watch = switchback('status', '--watch');
const trafficOnly = switchback('rollback', '--traffic-only');
const acceptDifference = switchback('rollback', '--accept-difference <id>', '--reason "<why>"');
const acceptLoss = switchback('rollback', '--accept-loss');
const environment = evaluate('sandbox', 'env');

export const errorCodes = {
  'aws.unreachable': {
    means: 'AWS, or the endpoint in AWS_ENDPOINT_URL, cannot be reached from this machine.',
    wayOut: say`Look at the network, the proxy, AWS_REGION and AWS_ENDPOINT_URL, then type the same command again.`,
  },
  'checks.smoke.failed': {
    means: 'A smoke test of the new release failed for 15 seconds.',
    wayOut: say`Mend what the check names and type ${switchback('cutover')} again, or type ${rollback}.`,
  },
  'confirm.declined': {
    means: 'You answered the question with something other than the name that was asked for.',
    wayOut: say`Nothing was changed: type the command again when you are sure.`,
  },
  'confirm.no-terminal': {
    means: 'The command asks before it changes anything, and there is no terminal to ask.',
    wayOut: say`Give --yes in a script.`,
  },
  'credentials.missing': {
    means: 'No AWS credentials were found.',
    wayOut: say`Log in with ${typed('aws sso login')}; for the sandbox type ${environment}.`,
  },
  'credentials.refused': {
    means: 'AWS refused the credentials: they are over, or of another account.',
    wayOut: say`Log in with ${typed('aws sso login')}, then type the same command again.`,
  },
  'database.no-address': {
    means: 'A database instance does not exist, or has no address yet.',
    wayOut: say`Look at the instance in RDS, and type the same command again when it is available.`,
  },
  'database.no-right': {
    means: 'The master user may not note in the database which run changes it.',
    wayOut: say`Run the GRANT that the message names as the owner of the database, then type the same command again.`,
  },
  'decision.hold': {
    means: 'Nobody answered at the decision time, and nothing goes on by itself.',
    wayOut: say`Type ${rollback}, or ${answers[0]}, or give more time with ${switchback('cutover', '--up-by <a later hour>')}.`,
  },
  'decision.roll-back': {
    means: 'At the decision time it was decided to roll back: by an answer, or by the policy of the window.',
    wayOut: say`Type ${rollback}; with no terminal left, the schedule begins it.`,
  },
  'difference.unknown': {
    means: 'Nothing of that name was found different, or nothing was compared yet.',
    wayOut: say`Take an id from the message or from ${status}; each stands in brackets behind its sentence.`,
  },
  'emergency.no-window': {
    means: 'No window is open, so there is no color to go back to.',
    wayOut: say`See ${status}: which color is live, and which window is open.`,
  },
  'emergency.unanswered': {
    means: 'AWS did not take the change of the rules in several tries.',
    wayOut: say`Type the same command again: it looks before it moves anything.`,
  },
  'emergency.unreadable': {
    means: 'The parameter for the emergency cannot be read as what it should be.',
    wayOut: say`Type ${rollback}, which does not need that parameter.`,
  },
  'endpoint.invalid': {
    means: 'AWS_ENDPOINT_URL is no address.',
    wayOut: say`For the sandbox type ${environment}; for AWS itself, unset AWS_ENDPOINT_URL.`,
  },
  'endpoint.not-aws': {
    means: 'Something answers at AWS_ENDPOINT_URL, and it is not AWS.',
    wayOut: say`For the sandbox type ${environment}; for AWS itself, unset AWS_ENDPOINT_URL.`,
  },
  'fallback.backups.off': {
    means: 'The fallback has no automated backups, so its promotion would wait for a first one.',
    wayOut: say`Set BackupRetentionPeriod of the fallback to 1 or more, then type the same command again.`,
  },
  'fallback.missing': {
    means: 'The instance of the fallback does not exist.',
    wayOut: say`Deploy the fallback's stack, then type the same command again.`,
  },
  'fallback.not-a-replica': {
    means: 'The fallback was promoted outside of this window, so it is no copy of production any more.',
    wayOut: say`Find out who promoted it and who uses it; when nobody does, type ${switchback('stage', '--undo')}, which deletes it, and begin again with the next window number.`,
  },
  'fallback.prepared': {
    means:
      'A rollback would open the fallback with a prepared transaction in it, which somebody can still commit and which keeps its rows locked; nothing was closed for it.',
    wayOut: say`End each on the fallback with ROLLBACK PREPARED, or COMMIT PREPARED where you know that it is wanted, then type ${rollback} again.`,
  },
  'fallback.silent': {
    means: 'A rollback would open the fallback, and its server does not answer; nothing was closed for it.',
    wayOut: say`See in the RDS console what has become of the fallback; when it answers, type ${rollback} again.`,
  },
  'feed.dead': {
    means: 'The feed to the fallback is over: production gave up its slot, or the slot is gone.',
    wayOut: say`Type ${rollback}: before customers have written it loses nothing, and after that it names what would stay behind before it begins.`,
  },
  'feed.footprint.differs': {
    means: 'Rows that the migrations changed were brought to the fallback and are not the same there.',
    wayOut: say`Type ${rollback}: nobody has written yet, so nothing is lost. Then change the bridge that is declared for these tables.`,
  },
  'feed.no-secret': {
    means: 'The system was deployed without a feed when the window was opened, and the window needs one.',
    wayOut: say`Type ${undo}, leave feed: false out of your app, deploy the shared stack and the next fallback, then type ${switchback('stage')}.`,
  },
  'feed.round-trip': {
    means: 'The fallback refused a test row, so the first such row of a customer would stop the feed.',
    wayOut: say`Type ${rollback} and mend the bridge in your app, or accept the loss for that table with --accept-loss and the id in the message.`,
  },
  'feed.round-trip.lost': {
    means: 'A test row was sent and did not arrive as it should, so the feed stands still.',
    wayOut: say`Mend what the log of the fallback says and type ${switchback('cutover')} again, or type ${rollback}.`,
  },
  'feed.silent-tables': {
    means: 'Tables are published that the subscription does not know, so their changes would be lost without an error.',
    wayOut: say`Find out who changed the publication, take the stage back with ${switchback('stage', '--undo')}, and begin again with the next window number.`,
  },
  'feed.skipped': {
    means:
      'Changes of production were left out of the feed, which lives on behind the gap: somebody has moved its slot on, or made it anew.',
    wayOut: say`Type ${undo} and begin again with a new fallback; in the hold, know that only a comparison tells which rows, and type ${rollback}, which makes it.`,
  },
  'fork.copy-needed': {
    means: 'The fallback must be filled by a copy of every table, which takes too long for a cutover.',
    wayOut: say`Type ${switchback('stage')}, which copies them while customers are served.`,
  },
  'fork.not-promoted': {
    means: 'The fallback is a replica again, although this window promoted it.',
    wayOut: say`See ${status}, and find out in RDS who made the instance anew.`,
  },
  'fork.prepared': {
    means: 'A transaction that production had prepared came along with the fork; its copy keeps rows locked there, and is not ours to end.',
    wayOut: say`Run the ROLLBACK PREPARED that the message names on the fallback, as the user that it names, then type ${switchback('stage')} again.`,
  },
  'fork.round-trip': {
    means: 'The fallback refused a test row right after the fork, while both schemas are the same.',
    wayOut: say`Make the fallback take such a row as the message says, then type ${switchback('stage')} again.`,
  },
  'fork.round-trip.lost': {
    means: 'A test row was sent right after the fork and did not arrive as it should.',
    wayOut: say`Mend what the log of the fallback says, then type ${switchback('stage')} again.`,
  },
  'form.not-lossless': {
    means: 'The migrations changed the schema so that a rollback after opening would lose something.',
    wayOut: say`Declare it in your app, accept each loss by its id there (acceptedLosses) or with --accept-loss, or change what the message says; with the site down, type ${rollback} first.`,
  },
  'gate.answered': {
    means: 'Somebody else answered the question first, and the first answer stands.',
    wayOut: say`See ${status} for who; to overrule them, answer with --overrule and --reason.`,
  },
  'gate.no-go': {
    means: 'Somebody answered the question with no-go.',
    wayOut: say`Type ${rollback}; to overrule the no-go, answer with --overrule and --reason.`,
  },
  'gate.not-asked': {
    means: 'An answer was given where no question is open; it began nothing.',
    wayOut: say`See ${status}; whoever begins a cutover says go beforehand with --yes --go-at-gate.`,
  },
  'gate.over': {
    means: 'A no-go came after the cutover had gone on.',
    wayOut: say`Type ${rollback} if you want to go back.`,
  },
  'guard.refused': {
    means: 'A deploy would change the live color, or something that an open window uses.',
    wayOut: say`Deploy the change to the other color, or end the window first: ${status} says where it is.`,
  },
  'journal.empty': {
    means: 'The journal of the window has no first event, so nothing is known about it.',
    wayOut: say`See ${status}, and look in the journal bucket for who deleted it.`,
  },
  'journal.other-writer': {
    means: 'Another run has written to the journal of this window, so this run stopped.',
    wayOut: say`See ${status}: it says who has the window.`,
  },
  'journal.unreadable': {
    means: 'The journal could not be read in six tries.',
    wayOut: say`Type the same command again; when customers cannot wait, type ${trafficOnly}, which needs no journal.`,
  },
  'journal.unwritable': {
    means: 'An event could not be written to the journal in six tries, so the run stopped before its next change.',
    wayOut: say`Look at the bucket and at your rights, then type the same command again; when customers cannot wait, type ${trafficOnly}.`,
  },
  'manifest.invalid': {
    means: "A stack's part of the manifest cannot be read as what it should be.",
    wayOut: say`Deploy that stack again, then type the same command again.`,
  },
  'manifest.missing': {
    means: 'There is no system of that name in this account and Region.',
    wayOut: say`Give the right name with --system, or look at AWS_REGION and at the account.`,
  },
  'manifest.version': {
    means: 'The stack was deployed by a version of Switchback that writes another manifest.',
    wayOut: say`Deploy that stack again with this version, or use the version that deployed it.`,
  },
  'migrations.failed': {
    means: 'The migration task on production did not end with exit code 0.',
    wayOut: say`Read its last lines; mend the cause and type ${switchback('cutover')} again, or type ${rollback}.`,
  },
  'migrations.unknown': {
    means: 'ECS has forgotten the task that ran the migrations, and nobody saw how it ended.',
    wayOut: say`Look at its log and at the migration tool's notes, then type the command with --migrate-again, or ${rollback}.`,
  },
  'migrations.untried': {
    means: 'The migrations have not passed their trial on a copy of production.',
    wayOut: say`Type ${switchback('stage')}, which tries them again.`,
  },
  'preflight.managed-password': {
    means: 'RDS manages the master password of production, and such an instance can have no replica on PostgreSQL.',
    wayOut: say`Give the instance a master password from a secret of your own, then type ${switchback('stage')} again.`,
  },
  'preflight.refused': {
    means: 'The preflight found something in the databases that would stop the cutover or lose writes.',
    wayOut: say`Do what each finding says (they are listed below), then type ${switchback('stage')} again.`,
  },
  'proof.different': {
    means: 'After the rollback, the two databases differ in rows that nobody may have changed.',
    wayOut: say`Look at the SQL that the message names, and put the rows in that belong on what is production now. Then accept each difference by its name: ${acceptDifference}. Until then ${rollback} says the same again, and no teardown goes on.`,
  },
  'proof.written-behind': {
    means:
      'The databases are equal as they were compared, but somebody has written to the fenced one past every grant since the last marker.',
    wayOut: say`Find what was written with the SQL of the message, put it into what is production now, and accept it by its name: ${acceptDifference}. Until then no teardown goes on.`,
  },
  'region.missing': {
    means: 'No AWS Region is set.',
    wayOut: say`Set AWS_REGION to the Region of the system; for the sandbox type ${environment}.`,
  },
  'release.foreign': {
    means: 'A service runs another task definition than its stack gave it: it was changed past CloudFormation and the guard.',
    wayOut: say`Give it back its own with the command in the message, then type the same command again.`,
  },
  'rights.missing': {
    means: 'AWS refused a call, because the principal may not make it.',
    wayOut: say`Give the right to the principal that the message names, or deploy the shared stack if it is the runner.`,
  },
  'rollback.feed-stands': {
    means: 'The feed stands still, so a rollback would wait for it with the site down.',
    wayOut: say`Mend the feed as the message says and type ${rollback} again, or type ${acceptLoss}.`,
  },
  'rollback.loses-writes': {
    means: 'A rollback would leave writes behind that customers have made since the opening.',
    wayOut: say`Stay on the new release, or type ${acceptLoss}.`,
  },
  'rollback.too-late': {
    means: 'The teardown has begun to delete what a rollback would go back to.',
    wayOut: say`Type ${switchback('teardown')} to end the window; the next change is the next window.`,
  },
  'run.silent': {
    means: 'The run that you follow writes nothing more: its terminal or its runner has died.',
    wayOut: say`Type the command of that run again: it goes on from there.`,
  },
  'run.stop-asked': {
    means: 'Somebody asked the run to stop, and it did, between two steps.',
    wayOut: say`Type the same command again to go on, or ${rollback} to go back from a cutover.`,
  },
  'runner.asleep': {
    means: 'AWS has not made the runner function ready: it had taken its network interfaces back, or has no address for it.',
    wayOut: say`Look at the function's state and at its subnets' free addresses, then type the same command again: it did not run.`,
  },
  'runner.busy': {
    means: 'The runner function is at work for somebody else.',
    wayOut: say`See ${watch}, and type the same command again when that run has ended.`,
  },
  'runner.cannot-start': {
    means: 'AWS cannot start the runner function: its network, its key or its code is not there or not allowed.',
    wayOut: say`Deploy the shared stack as the message says, then type the same command again: it did not run.`,
  },
  'runner.failed': {
    means: 'The runner function ended with an error.',
    wayOut: say`Type the same command again: what was done is in the journal.`,
  },
  'runner.missing': {
    means: 'There is no runner function of this system.',
    wayOut: say`Deploy the shared stack as the message says, or give --here from a place that reaches the database.`,
  },
  'runner.old': {
    means: 'The runner function was deployed by an older version, which does not know what it was asked for.',
    wayOut: say`Deploy the shared stack as the message says.`,
  },
  'runner.unanswered': {
    means: 'The call of the runner got no answer, and the runner may be at work.',
    wayOut: say`See ${watch}, then type the same command again.`,
  },
  'sandbox.not-installed': {
    means: 'The sandbox is a package of its own, and the folder the command was typed in does not have it.',
    wayOut: typed('npm install --save-dev cdk-switchback-sandbox'),
  },
  'sandbox.unreachable': {
    means: 'Nothing answers at AWS_ENDPOINT_URL.',
    wayOut: say`Start the sandbox with ${switchback('sandbox', '--detach')}, or unset AWS_ENDPOINT_URL to reach AWS itself.`,
  },
  'secret.invalid': {
    means: 'A secret holds no login to a database: a username and a password.',
    wayOut: say`Put both into the secret that the message names, then type the same command again.`,
  },
  'stage.over': {
    means: 'The cutover has begun or is done, so there is nothing left to stage.',
    wayOut: say`Type ${switchback('cutover')} to go on, or ${rollback}.`,
  },
  'step.no-longer-holds': {
    means: 'Something that the run had confirmed is not so any more; nothing has been done about it.',
    wayOut: say`Find out who changed it; then type the same command again where the message offers it, or ${rollback}.`,
  },
  'step.not-applied': {
    means: 'The answer to a change was lost, and a look shows that the change was not made.',
    wayOut: say`Type the same command again.`,
  },
  'step.refused': {
    means: 'A change was refused by AWS or by PostgreSQL.',
    wayOut: say`Mend what the message says and type the same command again, or ${rollback} after the beginning of a cutover.`,
  },
  'step.too-slow': {
    means: 'A step is not done after the time that it may take.',
    wayOut: say`Look at what the message says it waits for, then type the same command again.`,
  },
  'step.unknown': {
    means: 'The answer to a change was lost, and no look could tell whether it was made.',
    wayOut: say`Type the command that the message names to see the truth, then the same command again.`,
  },
  'step.unseen': {
    means: 'What a run had confirmed could not be looked at: a database or AWS did not answer.',
    wayOut: say`Look at what the message says does not answer, then type the same command again.`,
  },
  'switchback.bug': {
    means: 'This is a fault of Switchback itself.',
    wayOut: say`Type the same command again; if it fails again, report the message with the journal of the window.`,
  },
  'system.none': {
    means: 'No system has been deployed in this account and Region.',
    wayOut: say`Look at AWS_REGION and at the account, or deploy the shared stack and the first color, by the names that your app gives them.`,
  },
  'system.which': {
    means: 'There are several systems, and the command must be told which.',
    wayOut: say`Give one of the names in the message with --system.`,
  },
  'tasks.deployment.failed': {
    means: 'The new tasks of an ECS service do not come up.',
    wayOut: say`Look at the stopped tasks and at the log of that service, mend it, then type the same command again.`,
  },
  'teardown.begun': {
    means: 'The teardown has begun, and has taken from the window what another verb would need.',
    wayOut: say`Type ${switchback('teardown')} to end the window; the next change is the next window.`,
  },
  'teardown.hold': {
    means: 'The hold has not ended: what a rollback needs is kept until then.',
    wayOut: say`Wait: the schedule does it; or type ${switchback('teardown', '--now')}.`,
  },
  'teardown.instance.missing': {
    means: 'The instance that was to be removed is gone, and there is no final snapshot of it.',
    wayOut: say`Find out who deleted it, and restore it or its snapshot under the name in the message.`,
  },
  'teardown.nothing-done': {
    means: 'The window is neither cut over nor rolled back, so there is nothing to tear down.',
    wayOut: say`Type ${switchback('cutover')} or ${rollback}.`,
  },
  'teardown.snapshot.failed': {
    means: 'RDS could not make the final snapshot.',
    wayOut: say`Delete the failed snapshot, then type ${switchback('teardown')} again.`,
  },
  'teardown.snapshot.taken': {
    means: 'A snapshot with the name of the final one exists, and this window did not make it.',
    wayOut: say`Rename it with copy-db-snapshot or delete it, then type ${switchback('teardown')} again.`,
  },
  'teardown.stack.stuck': {
    means: 'CloudFormation could not delete a stack.',
    wayOut: say`Mend the reason that the message names, then type ${switchback('teardown')} again.`,
  },
  'teardown.standby-in-use': {
    means: 'The color that was to be removed still serves somebody.',
    wayOut: say`See ${status}; take the reason away and type ${switchback('teardown')}, or ${rollback} if that color is to serve again.`,
  },
  'teardown.unproven': {
    means: 'The window was rolled back, and the former production may hold rows that nobody else has.',
    wayOut: say`Look at what ${status} names, put in what is missing, and accept each by its name: ${acceptDifference}.`,
  },
  'terminal.interrupted': {
    means: 'You pressed Ctrl-C.',
    wayOut: say`See ${status}: it names what can be typed now.`,
  },
  'traffic.emergency': {
    means: 'Somebody put the old release in front with the emergency command while the run was under way.',
    wayOut: say`Type ${rollback} for the workers, the databases and the rest.`,
  },
  'trial.bridge.failed': {
    means: 'The bridge could not be put on a copy of the fallback: the window would have stopped there, with customers waiting.',
    wayOut: say`Type ${undo}, change the migration as the message says or declare a bridge, deploy with the next window number, then type ${switchback('stage')}.`,
  },
  'trial.copy.unreachable': {
    means: 'The copy of production cannot reach itself, which the feed of a trial needs.',
    wayOut: say`Type ${undo}, deploy the shared stack, whose security group for trials allows it, and the next fallback, then type ${switchback('stage')}.`,
  },
  'trial.feed.failed': {
    means: 'On a copy of production, rows of the new schema did not reach the old one.',
    wayOut: say`Type ${undo}, change the migration or the bridge as the message says, deploy with the next window number, then type ${switchback('stage')}.`,
  },
  'trial.fence.failed': {
    means: 'A copy of production could not be fenced or opened after the migrations.',
    wayOut: say`Type ${undo}, mend in the migrations what the message names, deploy with the next window number, then type ${switchback('stage')}.`,
  },
  'trial.footprint.failed': {
    means: 'Rows that the migrations changed could not be brought to the old schema, on a copy of production.',
    wayOut: say`Type ${undo}, change the migration or the bridge as the message says, deploy with the next window number, then type ${switchback('stage')}.`,
  },
  'trial.hold.failed': {
    means: 'On a copy of production, the feed would not have kept a rollback possible.',
    wayOut: say`Mend what the message names on production, then type ${switchback('stage')} again.`,
  },
  'trial.migrations.failed': {
    means: 'The migrations failed on a copy of production; production itself was not changed.',
    wayOut: say`Read the error of the task; mend the data and type ${switchback('stage')} again, or type ${undo}, mend the migrations, deploy with the next window number, then type ${switchback('stage')}.`,
  },
  'trial.name.taken': {
    means: "A snapshot or an instance has the name of the trial's, and this window did not make it.",
    wayOut: say`Delete it with the command in the message when nobody needs it, then type ${switchback('stage')} again.`,
  },
  'trial.next.failed': {
    means: 'After a rollback of the trial, the migrations could not be run once more, as the next window will.',
    wayOut: say`Read the message, type ${undo}, mend the migrations, deploy with the next window number, then type ${switchback('stage')}.`,
  },
  'trial.not-lossless': {
    means: 'A rollback would lose something that nobody has declared or accepted.',
    wayOut: say`Type ${switchback('stage', '--accept-loss <ids>')}, or ${undo}, declare it in your CDK app, deploy with the next window number, then type ${switchback('stage')}.`,
  },
  'trial.preflight.refused': {
    means: 'The migrations made something that the preflight refuses.',
    wayOut: say`Type ${undo}, mend the migrations as the message says, deploy with the next window number, then type ${switchback('stage')}.`,
  },
  'trial.proof.failed': {
    means: 'After the rollback of the trial the two databases were not the same.',
    wayOut: say`Type ${undo}, change the migration or the bridge as the message says, deploy with the next window number, then type ${switchback('stage')}.`,
  },
  'trial.restore.failed': {
    means: 'RDS could not restore the copy of production for the trial.',
    wayOut: say`Look at the events of that instance in RDS, then type ${switchback('stage')} again.`,
  },
  'trial.rollback.failed': {
    means: 'The rollback of the trial broke, as that of the window would have.',
    wayOut: say`Type ${undo}, change the migration or the bridge as the message says, deploy with the next window number, then type ${switchback('stage')}.`,
  },
  'trial.snapshot.failed': {
    means: 'RDS could not make the snapshot of production for the trial.',
    wayOut: say`Look at the events of that snapshot in RDS, then type ${switchback('stage')} again.`,
  },
  'trial.storage.too-large': {
    means: 'Two databases of this size do not fit on one instance.',
    wayOut: say`Move what is old out of the database, or type ${undo} and deploy with trial: false and the next window number.`,
  },
  'undo.first-opening': {
    means: 'The window is the first opening of the system, and its stage has changed nothing.',
    wayOut: say`Type ${switchback('cutover')}, or ${rollback} to close the system again.`,
  },
  'undo.too-late': {
    means: 'The cutover has begun, and a stage can be undone only before it.',
    wayOut: say`Type ${rollback}.`,
  },
  'up-by.first-opening': {
    means: 'An hour was given for the first opening of a system, which nobody is waiting for.',
    wayOut: say`Type ${switchback('cutover')} without --up-by.`,
  },
  'up-by.invalid': {
    means: 'The hour that was given is neither HH:MM nor an ISO time.',
    wayOut: say`Give it as --up-by 04:30, or with its date as --up-by 2026-12-01T04:30Z.`,
  },
  'up-by.past': {
    means: 'The hour that was given is over.',
    wayOut: say`Give a later one.`,
  },
  usage: {
    means: 'The words of the command line do not go together.',
    wayOut: say`Type the command as the message shows it.`,
  },
  'watch.unhealthy': {
    means: 'After the opening, targets or answers of the live color were wrong three times in a row.',
    wayOut: say`Look at what the message names; type ${switchback('cutover')} to go on watching, or ${rollback}.`,
  },
  'window.closed': {
    means: 'The window is closed, and nothing can be done in it any more.',
    wayOut: say`See ${status}: it names the next window.`,
  },
  'window.deploying': {
    means: 'A stack that the window needs is being deployed at this moment.',
    wayOut: say`Wait until that deploy is over, then type the same command again.`,
  },
  'window.held': {
    means: 'Somebody else has the window, and their lease has not ended.',
    wayOut: say`Follow their run with ${watch}, or talk to them and type the same command with --take-over.`,
  },
  'window.no-fallback': {
    means: 'The next window has no fallback database.',
    wayOut: say`Set the next window number in your app and deploy its fallback stack.`,
  },
  'window.no-live': {
    means: 'Some rules of a color have moved and others have not, so it cannot be told which color is live.',
    wayOut: say`Look at the rules with the command in the message, and put those of one color in front by hand.`,
  },
  'window.no-standby': {
    means: 'The color that is to be opened has not been deployed.',
    wayOut: say`Deploy its stack, then type the same command again.`,
  },
  'window.none': {
    means: 'No window is open, so there is nothing to go back from or to tear down.',
    wayOut: say`See ${status}: which color is live, and what can be typed.`,
  },
  'window.other': {
    means: 'Another window is open than the one that was asked for.',
    wayOut: say`See ${status}: it names the window that is open.`,
  },
  'window.rolled-back': {
    means: 'The window has been rolled back, so it can be neither staged nor cut over again.',
    wayOut: say`Type ${rollback} if it is not done yet, then ${switchback('teardown', '--now')}; the next try is the next window.`,
  },
  'window.same-release': {
    means: 'Both colors run the same release.',
    wayOut: say`Set another release for the standby color in your app and deploy it.`,
  },
  'window.taken-over': {
    means: 'Somebody took the window over, and this run changes nothing more.',
    wayOut: say`Follow their run with ${watch}, or talk to them and type the same command with --take-over.`,
  },
  'window.undoing': {
    means: 'The stage of the window is being undone.',
    wayOut: say`Type ${switchback('stage', '--undo')} to the end, then begin again.`,
  },
  'window.wrong-source': {
    means: 'The fallback is a replica of a database that is not production.',
    wayOut: say`Set the next window number in your app and deploy its fallback stack.`,
  },
  'workers.once.twice': {
    means: 'A worker that may run only once still runs in the other color.',
    wayOut: say`Stop it with the command in the message, then type the same command again.`,
  },
  'workers.start.slow': {
    means: 'A worker does not run as many tasks as it should after 180 seconds.',
    wayOut: say`Look at the service with the command in the message, then type the same command again, or ${rollback}.`,
  },
} as const satisfies Readonly<Record<string, Entry>>;

export type ErrorCode = keyof typeof errorCodes;
