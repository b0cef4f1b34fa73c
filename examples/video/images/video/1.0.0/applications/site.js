// What everybody sees: the front page and signing up.

const { release } = require('../lib/release');
const { escapeHtml, text } = require('../lib/input');

module.exports = (database) => ({
  'GET /release': () => ({ json: { application: 'site', ...release } }),

  'GET /': async () => {
    const { trending, newest, users } = await database.read(async (query) => ({
      trending: (
        await query(
          'select v.id, v.title from trending t join videos v on v.id = any (t.video_ids) order by array_position(t.video_ids, v.id)',
        )
      ).rows,
      newest: (await query('select id, title from videos order by id desc limit 5')).rows,
      users: (await query('select count(*)::int as count from users')).rows[0].count,
    }));
    const list = (videos) =>
      `<ul>${videos.map((video) => `<li><a href="/watch/${video.id}">${escapeHtml(video.title)}</a></li>`).join('')}</ul>`;
    return {
      html: `<!doctype html><html lang="en"><title>Videos</title>
<h1>Videos</h1><p>${users} people share videos here.</p>
<h2>Trending</h2>${list(trending)}<h2>New</h2>${list(newest)}
<form method="post" action="/signup"><input name="name" placeholder="Name"><input name="email" placeholder="Mail"><button>Sign up</button></form>
<footer>release ${escapeHtml(release.version)} (${escapeHtml(release.commit)})</footer></html>`,
    };
  },

  'POST /signup': async ({ body }) => {
    const name = text(body.name, 'name');
    const email = text(body.email, 'email');
    const login = email.split('@')[0];
    const id = await database.write(
      async (query) =>
        (await query('insert into users (name, email, login) values ($1, $2, $3) returning id', [name, email, login])).rows[0].id,
    );
    return { status: 201, json: { id, name, email } };
  },
});
