/** What a shell offers after `switchback`: made from the table of verbs, so nothing is offered that is not taken. */
import type { Command, Option } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

type Value = { readonly is: 'none' } | { readonly is: 'words'; readonly words: readonly string[] } | { readonly is: 'file' | 'text' };

function takes({ argChoices, flags }: Pick<Option, 'argChoices' | 'flags'>): Value {
  if (argChoices) return { is: 'words', words: argChoices };
  if (!flags.includes('<')) return { is: 'none' };
  return { is: flags.includes('<file>') ? 'file' : 'text' };
}

/** Verbs that are no commands of this process have a name only. */
export function completion(shell: Shell, verbs: readonly Command[], names: readonly string[]): string {
  return `${{ bash, zsh, fish }[shell](verbs, names).join('\n')}\n`;
}

const long = (option: Option): string => option.long ?? option.flags;
const words = (verb: Command): readonly string[] => verb.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);

function bash(verbs: readonly Command[], names: readonly string[]): string[] {
  const after = (is: Value['is']) =>
    verbs.flatMap((verb) => verb.options.filter((option) => takes(option).is === is).map((option) => `'${verb.name()} ${long(option)}'`));
  const arm = (patterns: readonly string[], what: string) => (patterns.length > 0 ? [`    ${patterns.join(' | ')}) ${what} ;;`] : []);
  const chosen = verbs.flatMap((verb) =>
    verb.options.flatMap((option) => {
      const value = takes(option);
      return value.is === 'words' ? arm([`'${verb.name()} ${long(option)}'`], `words='${value.words.join(' ')}'`) : [];
    }),
  );
  return [
    '# eval "$(switchback completion bash)", for example in ~/.bashrc',
    '_switchback() {',
    '  local current="${COMP_WORDS[COMP_CWORD]}" verb="${COMP_WORDS[1]}" words=""',
    '  case "$verb ${COMP_WORDS[COMP_CWORD - 1]}" in',
    ...chosen,
    ...arm(after('file'), 'COMPREPLY=($(compgen -f -- "$current")); return'),
    ...arm(after('text'), 'COMPREPLY=(); return'),
    '    *)',
    '      case "$verb" in',
    ...verbs.map((verb) => `        ${verb.name()}) words='${[...words(verb), ...verb.options.map(long), '--help'].join(' ')}' ;;`),
    '      esac',
    '      ;;',
    '  esac',
    `  if [ "$COMP_CWORD" -eq 1 ]; then words='${names.join(' ')}'; fi`,
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '}',
    'complete -F _switchback switchback',
  ];
}

/** Within single quotes. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function zsh(verbs: readonly Command[], names: readonly string[]): string[] {
  const said = (text: string) => text.replace(/[[\]:]/g, '\\$&');
  const described = names.map((name) =>
    quoted(`${name}:${said(verbs.find((verb) => verb.name() === name)?.description() ?? 'AWS on this machine')}`),
  );
  const argument = (option: Option) => {
    const value = takes(option);
    const ending = {
      none: '',
      words: `:value:(${value.is === 'words' ? value.words.join(' ') : ''})`,
      file: ':file:_files',
      text: ':value:',
    };
    return quoted(`*${long(option)}[${said(option.description)}]${ending[value.is]}`);
  };
  return [
    '#compdef switchback',
    '# eval "$(switchback completion zsh)", after compinit in ~/.zshrc',
    '_switchback() {',
    '  if (( CURRENT == 2 )); then',
    '    local -a verbs',
    `    verbs=(${described.join(' ')})`,
    '    _describe verb verbs',
    '    return',
    '  fi',
    '  local verb="$words[2]"',
    '  shift words',
    '  (( CURRENT-- ))',
    '  case "$verb" in',
    ...verbs.map((verb) => {
      const standing = words(verb).length > 0 ? [quoted(`1:word:(${words(verb).join(' ')})`)] : [];
      return `    ${verb.name()}) _arguments ${[...standing, ...verb.options.map(argument)].join(' ')} ;;`;
    }),
    '  esac',
    '}',
    'if [ "$funcstack[1]" = "_switchback" ]; then _switchback "$@"; else compdef _switchback switchback; fi',
  ];
}

function fish(verbs: readonly Command[], names: readonly string[]): string[] {
  const said = (text: string) => `'${text.replace(/[\\']/g, '\\$&')}'`;
  const option = (verb: Command) => (each: Option) => {
    const value = takes(each);
    const ending = { none: '', words: ` -x -a ${said(value.is === 'words' ? value.words.join(' ') : '')}`, file: ' -r -F', text: ' -x' };
    const name = long(each).replace(/^--/, '');
    return `complete -c switchback -n '__fish_seen_subcommand_from ${verb.name()}' -l ${name} -d ${said(each.description)}${ending[value.is]}`;
  };
  return [
    '# switchback completion fish | source, for example in ~/.config/fish/config.fish',
    'complete -c switchback -f',
    ...names.map((name) => {
      const description = verbs.find((verb) => verb.name() === name)?.description() ?? 'AWS on this machine';
      return `complete -c switchback -n __fish_use_subcommand -a ${name} -d ${said(description)}`;
    }),
    ...verbs.flatMap((verb) => [
      ...(words(verb).length > 0
        ? [`complete -c switchback -n '__fish_seen_subcommand_from ${verb.name()}' -a ${said(words(verb).join(' '))}`]
        : []),
      ...verb.options.map(option(verb)),
    ]),
  ];
}
