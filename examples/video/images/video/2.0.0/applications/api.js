// What programs use: videos, money and playback counts.

const { HttpError } = require('../lib/errors');
const { text, wholeNumber } = require('../lib/input');
const { release } = require('../lib/release');

module.exports = (database) => ({
  'GET /api/release': () => ({ json: { application: 'api', ...release } }),

  'GET /api/videos': async () => {
    const sql =
      'select v.id, v.title, v.seconds, v.play_count as plays, u.full_name as by from videos v join users u on u.id = v.owner_id order by v.id limit 50';
    return { json: { videos: await database.read(async (query) => (await query(sql)).rows) } };
  },

  'GET /api/videos/:id': async ({ params }) => {
    const sql =
      'select v.id, v.title, v.seconds, v.play_count as plays, u.full_name as by from videos v join users u on u.id = v.owner_id where v.id = $1';
    const id = wholeNumber(params.id, 'the id of a video');
    const [video] = await database.read(async (query) => (await query(sql, [id])).rows);
    if (!video) throw new HttpError(404, 'not-found', `there is no video ${id}`);
    return { json: video };
  },

  'GET /api/charges': async ({ query: parameters }) => {
    const limit = Math.min(wholeNumber(parameters.get('limit') ?? 20, 'limit'), 100);
    const sql = `select c.id, c.ref, c.cents, c.created_at as at, a.id as account, a.name, c.invoice_id as invoice
      from charges c join accounts a on a.id = c.account_id order by c.id desc limit $1`;
    return { json: { charges: await database.read(async (query) => (await query(sql, [limit])).rows) } };
  },

  /** Money. `ref` is the customer's own name for the charge. Clients of the release before say `user`, and mean the account that user owns. */
  'POST /api/charges': async ({ body }) => {
    const byUser = body.account === undefined;
    const payer = byUser ? wholeNumber(body.user, 'user') : wholeNumber(body.account, 'account');
    const cents = wholeNumber(body.cents, 'cents');
    const ref = text(body.ref, 'ref');
    const sql = `insert into charges (account_id, ref, cents)
      select id, $2, $3 from accounts where ${byUser ? 'owner_id' : 'id'} = $1 order by id limit 1 returning id, account_id as account`;
    const [charge] = await database.write(async (query) => (await query(sql, [payer, ref, cents])).rows);
    if (!charge) throw new HttpError(404, 'not-found', `there is no ${byUser ? 'account of user' : 'account'} ${payer}`);
    return { status: 201, json: { id: charge.id, account: charge.account, cents, ref } };
  },

  /** A playback. Counted by the queue workers, so that a popular video does not make its viewers wait for one row. */
  'POST /api/plays': async ({ body }) => {
    const video = wholeNumber(body.video, 'video');
    const ref = text(body.ref, 'ref');
    const sql = `insert into jobs (kind, payload)
      select 'play', jsonb_build_object('video', id, 'ref', $2::text) from videos where id = $1 returning id`;
    const [job] = await database.write(async (query) => (await query(sql, [video, ref])).rows);
    if (!job) throw new HttpError(404, 'not-found', `there is no video ${video}`);
    return { status: 202, json: { job: job.id, video, ref } };
  },
});
