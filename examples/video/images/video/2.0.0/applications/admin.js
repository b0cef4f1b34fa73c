// What the staff uses. It has no queries of its own: it asks the api, and shows which color answered.

const { ask } = require('../lib/internal');
const { escapeHtml } = require('../lib/input');
const { release } = require('../lib/release');

async function charges() {
  const answer = await ask('/api/charges?limit=20');
  return {
    color: release.color,
    answeredBy: { color: answer.color, release: answer.release },
    sameColor: answer.color === release.color,
    charges: answer.json.charges,
  };
}

module.exports = () => ({
  'GET /admin/release': () => ({ json: { application: 'admin', ...release } }),

  'GET /admin/charges': async () => ({ json: await charges() }),

  'GET /admin': async () => {
    const page = await charges();
    const rows = page.charges.map(
      (charge) =>
        `<tr><td>${charge.id}<td>${escapeHtml(charge.name)}<td>${(charge.cents / 100).toFixed(2)}<td>${escapeHtml(charge.ref)}<td>${charge.invoice ?? ''}`,
    );
    return {
      html: `<!doctype html><html lang="en"><title>Charges</title><h1>Charges</h1>
<p>admin runs in ${escapeHtml(page.color)}; the api that answered is ${escapeHtml(page.answeredBy.release)} in ${escapeHtml(page.answeredBy.color)}.</p>
<table><tr><th>id<th>who<th>amount<th>ref<th>invoice${rows.join('')}</table></html>`,
    };
  },
});
