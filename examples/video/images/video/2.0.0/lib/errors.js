// What a failed query means for the one who asked: was it applied, and what should they do now.

/** An answer that is not 2xx, thrown from anywhere inside a handler. */
class HttpError extends Error {
  constructor(status, reason, message) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

// Class 08 is "connection exception"; 57P01 to 57P03 are terminated, crashed and starting up; 53300 is too many connections.
const connectionStates = new Set(['57P01', '57P02', '57P03', '57P05', '53300']);
const connectionCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
// node-postgres gives these no code, only a text.
const connectionTexts =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Query read timeout)/;

/** True when the connection is of no use any more; its query may or may not have been applied. */
function isConnectionError(error) {
  const code = error.code || '';
  return code.startsWith('08') || connectionStates.has(code) || connectionCodes.has(code) || connectionTexts.test(error.message || '');
}

/** Turns an error of the database into an answer; what is not the database's is returned as it came. */
function asHttpError(error) {
  if (error instanceof HttpError) return error;
  if (isConnectionError(error))
    return new HttpError(503, 'unavailable', 'the database cannot be reached at the moment; nothing was changed');
  switch (error.code) {
    case '42501': // permission denied: the fence stands
    case '25006': // read-only transaction: a replica, or a fenced database
      return new HttpError(503, 'fenced', 'writes are closed at the moment; nothing was changed');
    case '42P01': // no such table
    case '42703': // no such column
      return new HttpError(503, 'schema', 'the database is not in the form this release needs');
    case '57014': // statement timeout
    case '55P03': // lock timeout
    case '40001': // serialization failure
    case '40P01': // deadlock
      return new HttpError(503, 'busy', 'the database is busy; nothing was changed');
    case '23505':
      return new HttpError(409, 'exists', 'that exists already');
    default:
      return error;
  }
}

module.exports = { HttpError, isConnectionError, asHttpError };
