/** Images are folders: `repo/name:tag` is `<images>/<name>/<tag>`. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/** Why a task could not be started, in AWS's words. */
export class StartError extends Error {
  constructor(
    readonly kind: 'CannotPullContainerError' | 'CannotStartContainerError' | 'ResourceInitializationError',
    detail: string,
  ) {
    super(`${kind}: ${detail}`);
  }
}

export function imageFolder(images: string | undefined, image: string): string {
  const pull = (why: string): StartError =>
    new StartError('CannotPullContainerError', `pull image manifest has been retried 1 time(s): failed to resolve ref ${image}: ${why}`);
  if (images === undefined) throw pull('the sandbox was started without a folder of images');
  const [, name = '', tag = 'latest'] = /^(?:.*\/)?([\w.-]+)(?::([\w.-]+))?$/.exec(image) ?? [];
  if (!name || [name, tag].some((part) => /^\.+$/.test(part))) throw pull('in the sandbox an image is written repository/name:tag');
  const folder = join(images, name, tag);
  if (!existsSync(folder) || !statSync(folder).isDirectory()) throw pull(`not found: there is no folder ${folder}`);
  return folder;
}

/** The command with its executable as a path. `node` is the node that runs the sandbox. */
export function resolveCommand(command: readonly string[], folder: string, path: string): string[] {
  const [name, ...rest] = command;
  if (name === undefined) {
    throw new StartError(
      'CannotStartContainerError',
      'no command specified: in the sandbox an image has none of its own, so the container definition must give one',
    );
  }
  if (name === 'node') return [process.execPath, ...rest];
  const places = name.includes('/')
    ? [isAbsolute(name) ? name : join(folder, name)]
    : path.split(delimiter).map((place) => join(place, name));
  const found = places.find(isExecutable);
  if (!found) throw new StartError('CannotStartContainerError', `exec: "${name}": executable file not found in $PATH`);
  return [found, ...rest];
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
