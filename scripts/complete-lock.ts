/**
 * Completes package-lock.json: `node scripts/complete-lock.ts [FILE]`. npm leaves an optional package of another platform
 * out of the lock when it cannot be fetched, and `npm ci` (npm 11 and later) then refuses that lock. A stub, with the
 * version that is asked for and the platform that the name tells, satisfies it and installs nothing here.
 */
import { readFileSync, writeFileSync } from 'node:fs';

interface Package {
  version?: string;
  resolved?: string;
  cpu?: string[];
  dev?: true;
  devOptional?: true;
  libc?: string[];
  optional?: true;
  os?: string[];
  optionalDependencies?: Record<string, string>;
}

type Words = Map<string, string>;

const same = (...words: string[]) => words.map((word) => [word, word] as const);
const OS: Words = new Map([
  ...same('aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'),
  ['linuxmusl', 'linux'],
  ['windows', 'win32'],
  ['win', 'win32'],
]);
const CPU: Words = new Map([
  ...same('arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'),
  ['x86', 'ia32'],
]);
const LIBC: Words = new Map([
  ...same('glibc', 'musl'),
  ['gnu', 'glibc'],
  ['gnueabihf', 'glibc'],
  ['linuxmusl', 'musl'],
  ['musleabihf', 'musl'],
]);

const file = process.argv[2] ?? 'package-lock.json';
const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, Package> };
const { packages } = lock;
const stubs = new Set<string>();

for (const [place, { optionalDependencies = {}, ...owner }] of Object.entries(packages))
  for (const [name, range] of Object.entries(optionalDependencies)) complete(place, owner, name, range);

// Who installs may use another registry than who locked.
for (const entry of Object.values(packages)) if (entry.resolved?.startsWith('http')) delete entry.resolved;

lock.packages = Object.fromEntries(Object.entries(packages).toSorted(([a], [b]) => a.localeCompare(b, 'en')));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${file}: ${stubs.size} stubs added`);

function complete(place: string, owner: Package, name: string, range: string): void {
  const folders = foldersAbove(place);
  const found = folders.map((folder) => folder + name).find((path) => packages[path]);
  if (found && !stubs.has(found)) return;
  const version = lowest(range);
  if (found && packages[found]?.version === version) return;
  // A stub of another version is in the way: this one goes below the package that asks for it.
  const path = `${found ? folders[0] : 'node_modules/'}${name}`;
  packages[path] = { version, ...platformOf(name), ...kindOf(owner), optional: true };
  stubs.add(path);
}

/** Where Node looks for a dependency of the package at `place`, nearest first. */
function foldersAbove(place: string): string[] {
  const end = place.lastIndexOf('/node_modules/');
  const above = place ? foldersAbove(end < 0 ? '' : place.slice(0, end)) : [];
  return [`${place ? `${place}/` : ''}node_modules/`, ...above];
}

/** The least version that a range such as `^1.2.3` allows. */
function lowest(range: string): string {
  const version = /\d+\.\d+\.\d+[\w.+-]*/.exec(range)?.[0];
  if (!version) throw new Error(`Cannot tell a version that satisfies ${range}`);
  return version;
}

/** A package for one platform carries it in its name: `@scope/name-linux-x64-musl`. */
function platformOf(name: string): Package {
  const words = name.split(/[^a-z0-9]+/);
  const [cpu, libc, os] = [CPU, LIBC, OS].map((known) => words.map((word) => known.get(word)).find(Boolean));
  return { ...(cpu && { cpu: [cpu] }), ...(libc && { libc: [libc] }), ...(os && { os: [os] }) };
}

/** A development-only package brings development-only ones. */
function kindOf({ dev, devOptional }: Package): Package {
  return { ...(dev && { dev }), ...(devOptional && { devOptional }) };
}
