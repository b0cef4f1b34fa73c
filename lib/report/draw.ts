/** A block of lines at the end of a terminal that is drawn over itself. The only place with cursor movements. */

export class Block {
  private drawn: readonly string[] = [];

  constructor(private readonly stream: { write(text: string): unknown }) {}

  /** `over`: the line that the cursor stands in. Answers whether anything had to be drawn: then nothing is below it any more. */
  show(lines: readonly string[], over = false): boolean {
    if (lines.length === this.drawn.length && lines.every((line, index) => line === this.drawn[index])) return false;
    const up = this.drawn.length > 0 ? `\r\u001b[${this.drawn.length}A` : over ? '\r' : '';
    // cleared before it is written: behind a line of the terminal's width, clearing would take its last character.
    // a line that is too long is clipped: broken in two it would be one line more than the next drawing goes up.
    this.stream.write(`\u001b[?7l${up}${lines.map((line) => `\u001b[K${line}\n`).join('')}\u001b[J\u001b[?7h`);
    this.drawn = lines;
    return true;
  }

  /** Takes the place of the question that stands below; what is drawn stays. */
  above(text: string): void {
    this.leave();
    this.stream.write(`\r\u001b[J${text}\n`);
  }

  /** What is drawn stays; the next block begins below. */
  leave(): void {
    this.drawn = [];
  }
}
