// What came from outside, checked.

const { HttpError } = require('./errors');

/** An id or an amount: a whole number from 1 up that fits the column. */
function wholeNumber(value, name) {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1 || number > 2147483647) {
    throw new HttpError(400, 'input', `${name} must be a whole number from 1, not ${JSON.stringify(value)}`);
  }
  return number;
}

function text(value, name, longest = 200) {
  if (typeof value !== 'string' || value.trim() === '' || value.length > longest) {
    throw new HttpError(400, 'input', `${name} must be a text of 1 to ${longest} characters`);
  }
  return value.trim();
}

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
/** For putting a text into HTML. */
const escapeHtml = (value) => String(value).replace(/[&<>"']/g, (character) => escapes[character]);

module.exports = { wholeNumber, text, escapeHtml };
