/**
 * The public types of a package in one file: what its index exports, what those name, and nothing else. Members marked @internal and
 * private ones are left out. The compiler of TypeScript 7 has no programming interface, so this reads the text that it writes,
 * which has one declaration at the start of a line; what does not fit ends the build.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const root = join(__dirname, '..');
/** What a reader of the types has: the peers and Node. */
const known = /^(aws-cdk-lib|constructs|node:)/;

interface Declaration {
  readonly file: string;
  /** With its comment, without `export`. */
  readonly text: string;
}

interface Module {
  readonly declarations: Map<string, Declaration>;
  /** By local name: where it comes from, and what it is called there (`*`: all of it). */
  readonly imports: Map<string, { readonly from: string; readonly name: string }>;
  /** The same for what is exported from elsewhere; `export *` under the name of its module. */
  readonly exports: Map<string, { readonly from: string; readonly name: string; readonly type: boolean }>;
}

/** The types of each index, for example `lib/index.ts`. */
export function rollUp(...indexes: readonly string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'switchback-types-'));
  try {
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', folder], { cwd: root, stdio: 'inherit' });
    return indexes.map((index) => new RollUp(join(folder, index.replace(/\.ts$/, '.d.ts'))).text());
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

class RollUp {
  private readonly modules = new Map<string, Module>();
  private readonly taken = new Map<string, Declaration>();
  private readonly peers = new Map<string, string>();

  constructor(private readonly index: string) {}

  text(): string {
    const exported = [...this.module(this.index).exports].map(([name, { type }]) => ({ name, type }));
    const own = [...this.module(this.index).declarations.keys()].map((name) => ({ name, type: false }));
    const all = [...exported, ...own].sort((one, other) => (one.name < other.name ? -1 : 1));
    for (const { name } of all) this.take(name, this.index);
    const list = (type: boolean) => all.filter((one) => one.type === type).map(({ name }) => name);
    const declarations = [...this.taken].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, { text }]) => text);
    return [
      [...this.peers.values()].sort().join('\n'),
      ...declarations,
      [`export { ${list(false).join(', ')} };`, ...(list(true).length > 0 ? [`export type { ${list(true).join(', ')} };`] : [])].join('\n'),
    ]
      .filter((part) => part !== '')
      .join('\n\n')
      .concat('\n');
  }

  /** Takes what a file calls `name`, and everything that it names. */
  private take(name: string, file: string): void {
    const module = this.module(file);
    const declaration = module.declarations.get(name);
    const elsewhere = module.imports.get(name) ?? module.exports.get(name);
    if (declaration) {
      const other = this.taken.get(name);
      if (other && other.file !== file)
        throw new Error(`${name} is declared in ${other.file} and in ${file}; one of them needs another name`);
      if (other) return;
      this.taken.set(name, declaration);
      for (const used of namesIn(declaration.text)) {
        if (used !== name && (module.declarations.has(used) || module.imports.has(used))) this.take(used, file);
      }
    } else if (elsewhere?.from.startsWith('.')) {
      if (elsewhere.name !== name)
        throw new Error(`${file} calls ${elsewhere.name} ${name}; in the types of a package a thing has one name`);
      this.take(name, this.declaring(name, this.resolve(elsewhere.from, file)));
    } else if (elsewhere) {
      if (!known.test(elsewhere.from))
        throw new Error(`${file} needs ${elsewhere.from} for ${name}, which those who install the package do not have`);
      const what = elsewhere.name === '*' ? `* as ${name}` : `{ ${elsewhere.name === name ? name : `${elsewhere.name} as ${name}`} }`;
      const line = `import type ${what} from '${elsewhere.from}';`;
      if ((this.peers.get(name) ?? line) !== line) throw new Error(`${name} is imported as two things: ${this.peers.get(name)} ${line}`);
      this.peers.set(name, line);
    } else {
      throw new Error(`${file} exports no ${name}`);
    }
  }

  /** The file that declares a name, or hands it on by name: `export *` is followed. */
  private declaring(name: string, file: string): string {
    const { declarations, exports } = this.module(file);
    if (declarations.has(name) || exports.has(name)) return file;
    for (const { from, name: all } of exports.values()) {
      if (all === '*') return this.declaring(name, this.resolve(from, file));
    }
    throw new Error(`${file} exports no ${name}`);
  }

  private resolve(from: string, file: string): string {
    const path = join(dirname(file), from);
    const found = [`${path}.d.ts`, join(path, 'index.d.ts')].find(existsSync);
    if (!found) throw new Error(`${file} names ${from}, which has no types`);
    return found;
  }

  private module(file: string): Module {
    let module = this.modules.get(file);
    if (!module) {
      module = read(file);
      this.modules.set(file, module);
    }
    return module;
  }
}

function read(file: string): Module {
  const module: Module = { declarations: new Map(), imports: new Map(), exports: new Map() };
  let comment = '';
  for (const statement of statementsOf(readFileSync(file, 'utf8'))) {
    if (statement.startsWith('/**')) {
      comment = statement;
      continue;
    }
    const [, kind, type, names, from] = /^(import|export) (type )?(\* as \w+|\*|\{[^}]*\}) from '([^']+)';$/s.exec(statement) ?? [];
    const [, declared] = /^(?:export )?(?:declare )?(?:abstract )?(?:class|interface|type|const|function|enum) (\w+)/.exec(statement) ?? [];
    if (kind === 'import') for (const [local, name] of pairs(names!)) module.imports.set(local, { from: from!, name });
    else if (kind === 'export' && names === '*') module.exports.set(`* ${from}`, { from: from!, name: '*', type: false });
    else if (kind === 'export')
      for (const [local, name] of pairs(names!)) module.exports.set(local, { from: from!, name, type: type !== undefined });
    else if (declared) module.declarations.set(declared, { file, text: [comment, withoutPrivates(statement)].filter(Boolean).join('\n') });
    else if (statement !== 'export {};')
      throw new Error(`${file} has a line that scripts/declarations.ts cannot read: ${statement.slice(0, 200)}`);
    comment = '';
  }
  return module;
}

/** Comments and declarations, each as it stands: all begin at the start of a line and end on it, or on the next that closes them. */
function statementsOf(text: string): string[] {
  const statements: string[] = [];
  let open: string[] = [];
  for (const line of text.split('\n')) {
    if (open.length === 0 && line === '') continue;
    open.push(line);
    const comment = open[0]!.startsWith('/**');
    const ended = comment ? line.endsWith('*/') : /^[^ ].*;$/.test(line) || /^[^ ].*\{\s*\}$/.test(line) || line === '}';
    if (!ended) continue;
    statements.push(open.join('\n'));
    open = [];
  }
  if (open.length > 0) throw new Error(`a declaration does not end: ${open.join('\n').slice(0, 200)}`);
  return statements;
}

/** `{ type A, B as C }` or `* as D`: local names with what they are called where they come from. */
function pairs(names: string): [local: string, name: string][] {
  if (names.startsWith('* as ')) return [[names.slice(5), '*']];
  return names
    .slice(1, -1)
    .split(',')
    .map((one) => one.trim().replace(/^type /, ''))
    .filter((one) => one !== '')
    .map((one) => {
      const [name, local = name] = one.split(' as ');
      return [local!, name!];
    });
}

/** Without `export`, and without what only the class itself may use: the package promises nothing about it. */
function withoutPrivates(statement: string): string {
  return statement
    .replace(/^export (?=declare )/, '')
    .replace(/^export /, 'declare ')
    .replaceAll(/^ {4}(?:\/\*\*(?:(?!\*\/).)*\*\/\n {4})?private [^\n]*;\n/gms, '');
}

/** Words that may name a declaration: not those in comments and strings, and not those after a dot. */
function namesIn(text: string): Set<string> {
  const code = text.replaceAll(/\/\*.*?\*\//gs, '').replaceAll(/'[^']*'/g, '');
  return new Set([...code.matchAll(/(?<![.\w])[A-Za-z_]\w*/g)].map(([name]) => name));
}
