import { SandboxTime } from '../lib/time';

const lines: string[] = [];
const time = (speed: number) => new SandboxTime(speed, (line) => void lines.push(line));
const soon = () => new Promise((done) => setTimeout(done, 30));

test('three minutes of AWS are a moment, and an hour is still to come', async () => {
  const fast = time(60_000);
  const late = jest.fn();
  fast.after(3600, late);
  await fast.pause(180);
  expect(late).not.toHaveBeenCalled();
  fast.stop();
});

test('a turn begins only when the one before it has ended, and an error does not end the turns', async () => {
  const fast = time(1000);
  let [running, turns] = [0, 0];
  await new Promise<void>((done) => {
    fast.every(1, async () => {
      expect(++running).toBe(1);
      await soon();
      running--;
      if (++turns === 3) done();
      throw new Error(`turn ${turns} failed`);
    });
  });
  fast.stop();
  expect(lines.filter((line) => line.includes('failed: Error: turn'))).toHaveLength(2);
});

test('after a stop nothing runs, what waited is told, and nothing new is begun', async () => {
  const stopped = time(1);
  const action = jest.fn();
  stopped.after(0.01, action);
  stopped.every(0.01, action);
  const waiting = expect(stopped.pause(3600)).rejects.toThrow('the sandbox has stopped');
  stopped.stop();
  stopped.after(0, action);
  await waiting;
  await expect(stopped.pause(0)).rejects.toThrow('the sandbox has stopped');
  await soon();
  expect(action).not.toHaveBeenCalled();
});
