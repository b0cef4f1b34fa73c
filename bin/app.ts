/**
 * The example: a video host. Releases and the window are plain values here, so that git shows what each color runs.
 * A rehearsal sets them from outside: `-c blue=1.0.0 -c green=none -c window=2`, and `tasks`, `hold`, `watch` (seconds), `trial`, `destroyable`.
 */
import { ContainerImage } from 'aws-cdk-lib/aws-ecs';
import { App, Duration, RemovalPolicy } from 'aws-cdk-lib/core';
import { type Release, Switchback } from '../lib';

const blue = '1.0.0';
const green = '2.0.0';
const window = 1;

/** What was built of each version. */
const commits: Readonly<Record<string, string>> = { '1.0.0': '5f1c0de', '2.0.0': 'a9b2c4e' };

// strong: a value another stack uses cannot be deleted under it.
const app = new App({ analyticsReporting: false, postCliContext: { '@aws-cdk/core:defaultCrossStackReferences': 'strong' } });
const context = (name: string): string | undefined => app.node.tryGetContext(name)?.toString();
const release = (version: string): Release | undefined =>
  version === 'none' ? undefined : { version, commit: commits[version] ?? version };
const seconds = (name: string): Duration | undefined => (context(name) ? Duration.seconds(Number(context(name))) : undefined);
const desiredCount = Number(context('tasks') ?? 2);
const chosenWindow = context('window') ?? String(window);

const maintenance = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Back soon</title>
<body style="font-family:sans-serif;max-width:32em;margin:20vh auto"><h1>We are updating the site</h1>
<p>It will be back shortly. Videos keep playing in the meantime.</p></body></html>`;

new Switchback(app, 'video', {
  blue: release(context('blue') ?? blue),
  green: release(context('green') ?? green),
  window: chosenWindow === 'none' ? undefined : Number(chosenWindow),
  image: ({ version }) => ContainerImage.fromRegistry(`video:${version}`),
  // the first whose path matches answers: the catch-all is the last.
  applications: [
    {
      name: 'player',
      paths: ['/watch', '/watch/*'],
      open: true,
      command: ['node', 'server.js', 'player'],
      proofPath: '/watch/release',
      desiredCount,
    },
    { name: 'api', paths: ['/api/*'], command: ['node', 'server.js', 'api'], proofPath: '/api/release', desiredCount },
    { name: 'admin', paths: ['/admin', '/admin/*'], command: ['node', 'server.js', 'admin'], proofPath: '/admin/release', desiredCount },
    { name: 'site', paths: ['/*'], command: ['node', 'server.js', 'site'], proofPath: '/release', desiredCount },
  ],
  workers: [
    { name: 'queue', command: ['node', 'worker.js', 'queue'], count: 2 },
    { name: 'clock', command: ['node', 'worker.js', 'clock'], once: true },
    { name: 'billing', command: ['node', 'worker.js', 'billing'], once: true },
  ],
  migration: {
    expand: ['node', 'migrate.js', 'expand'],
    contract: ['node', 'migrate.js', 'contract'],
    // where the contract part notes what it has applied; the expand part's table has a well-known name.
    bookkeeping: ['public.pgmigrations_contract'],
    bridges: {
      // money belongs to accounts now; release 1.0.0 asks whose it is.
      columns: [
        { table: 'public.charges', column: 'user_id', from: '(SELECT owner_id FROM public.accounts WHERE id = NEW.account_id)' },
        { table: 'public.invoices', column: 'user_id', from: '(SELECT owner_id FROM public.accounts WHERE id = NEW.account_id)' },
        // nobody signs in with a login any more; it was made from the mail address.
        { table: 'public.users', column: 'login', from: "split_part(NEW.email, '@', 1)" },
      ],
      // what people say about themselves has a table of its own.
      rows: [
        {
          of: 'public.profiles',
          run: 'UPDATE public.users SET bio = NEW.bio, city = NEW.city WHERE id = NEW.user_id',
          onDelete: "UPDATE public.users SET bio = '', city = NULL WHERE id = OLD.user_id",
          sets: ['bio', 'city'].map((column) => ({
            table: 'public.users',
            column,
            is: `(SELECT p.${column} FROM public.profiles p WHERE p.user_id = NEW.id)`,
          })),
        },
      ],
    },
  },
  maintenance: { body: maintenance, contentType: 'text/html' },
  checks: [
    { application: 'site', path: '/' },
    { application: 'player', path: '/watch/1' },
  ],
  landingTests: ['Sign in as an admin and see the last charge', 'Play a video'],
  hold: seconds('hold') ?? Duration.hours(24),
  // a real night is watched for an hour; this one is for trying out.
  watch: seconds('watch') ?? Duration.minutes(1),
  trial: context('trial') !== 'false',
  removalPolicy: context('destroyable') === 'true' ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN,
});

app.synth();
