import { EventEmitter } from 'node:events';
import { MutedKeys } from '../../lib/terminal/keys';

/** A keyboard; what is typed while nobody reads it waits, as in a terminal. */
class Keyboard extends EventEmitter {
  raw = false;
  reads = false;
  constructor(readonly isTTY: boolean) {
    super();
  }
  setRawMode(raw: boolean) {
    this.raw = raw;
  }
  resume() {
    this.reads = true;
  }
  pause() {
    this.reads = false;
  }
  type(text: string) {
    this.emit('data', Buffer.from(text));
  }
}

const muted = (isTTY = true) => {
  const keyboard = new Keyboard(isTTY);
  const raised: string[] = [];
  const keys = new MutedKeys(keyboard, (signal) => raised.push(signal)).take();
  return { keyboard, raised, keys };
};

const stay = () => undefined;
beforeEach(() => void process.on('SIGINT', stay));
afterEach(() => void process.removeListener('SIGINT', stay));

test('keys do nothing, but for those that are signals', () => {
  const { keyboard, raised, keys } = muted();
  expect(keyboard.raw).toBe(true);
  keyboard.type('go\n\u001b[A');
  expect(raised).toEqual([]);
  keyboard.type('\u0003');
  keyboard.type('x\u0003');
  expect(raised).toEqual(['SIGINT', 'SIGINT']);
  keys.end();
  expect([keyboard.raw, keyboard.reads, keyboard.listenerCount('data')]).toEqual([false, false, 0]);
});

test('a Ctrl-C that ends the command gives the terminal back first', () => {
  const { keyboard, raised, keys } = muted();
  process.removeListener('SIGINT', stay);
  keyboard.type('\u0003');
  expect([raised, keyboard.raw]).toEqual([['SIGINT'], false]);
  keys.end();
});

test('stopped by Ctrl-Z the shell has its terminal, and afterwards keys are muted again', () => {
  const { keyboard, raised, keys } = muted();
  keyboard.type('\u001a');
  expect([raised, keyboard.raw]).toEqual([['SIGTSTP'], false]);
  process.emit('SIGCONT');
  expect(keyboard.raw).toBe(true);
  keys.end();
});

test('a question has the keyboard for itself, and what was typed before it is no answer', async () => {
  const { keyboard, keys } = muted();
  keyboard.type('go\n');
  const heard: string[] = [];
  const answer = await keys.lend(async () => {
    expect(keyboard.raw).toBe(false);
    keyboard.on('data', (text: Buffer) => heard.push(text.toString()));
    keyboard.type('no-go\n');
    return 'no-go';
  });
  expect([answer, heard, keyboard.raw]).toEqual(['no-go', ['no-go\n'], true]);
  await expect(keys.lend(() => Promise.reject(new Error('Ctrl-C')))).rejects.toThrow('Ctrl-C');
  expect(keyboard.raw).toBe(true);
  keys.end();
});

test('where there is no terminal, nothing is read', () => {
  const { keyboard, keys } = muted(false);
  expect([keyboard.raw, keyboard.reads, keyboard.listenerCount('data')]).toEqual([false, false, 0]);
  keys.end();
});
