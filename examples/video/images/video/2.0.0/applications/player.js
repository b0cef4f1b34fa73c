// Playing a video must never stop. This application only reads, with a user that can only read, from whichever database it is given.

const { HttpError } = require('../lib/errors');
const { escapeHtml, wholeNumber } = require('../lib/input');
const { release } = require('../lib/release');

const sql = `select v.id, v.title, v.seconds, u.full_name as by, p.city
  from videos v join users u on u.id = v.owner_id left join profiles p on p.user_id = u.id where v.id = $1`;

module.exports = (database) => ({
  'GET /watch/release': () => ({ json: { application: 'player', ...release } }),

  'GET /watch/:id': async ({ params, headers }) => {
    const id = wholeNumber(params.id, 'the id of a video');
    const [video] = await database.read(async (query) => (await query(sql, [id])).rows);
    if (!video) throw new HttpError(404, 'not-found', `there is no video ${id}`);
    if (!(headers.accept ?? '').includes('text/html')) return { json: { ...video, stream: `/stream/${id}.m3u8` } };
    const from = video.city ? ` in ${escapeHtml(video.city)}` : '';
    return {
      html: `<!doctype html><html lang="en"><title>${escapeHtml(video.title)}</title>
<h1>${escapeHtml(video.title)}</h1><video controls src="/stream/${id}.m3u8"></video><p>by ${escapeHtml(video.by)}${from}, ${video.seconds} s</p></html>`,
    };
  },
});
