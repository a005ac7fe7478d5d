const auth = ['config', 'database', 'http', 'clerk'];
const users = [...auth, 'auth', 'audit', 'jobs'];
const tenants = [...users, 'users'];
const billing = [...tenants, 'tenants'];

/** What a folder of the core may import; any other folder of src/ is a feature. */
const MAY_IMPORT = {
  config: [],
  database: ['config'],
  http: ['config', 'database'],
  // http: what Clerk refuses becomes a Problem in one place
  clerk: ['config', 'database', 'http'],
  jobs: ['config', 'database'],
  auth,
  audit: ['auth', 'database', 'http'],
  users,
  tenants,
  billing,
  me: [...billing, 'billing'],
  webhooks: ['http', 'clerk', 'auth', 'jobs', 'database'],
  health: ['config', 'database', 'http', 'auth'],
};

/** Composition roots, as app.module.ts is: they may import whatever they run. */
const ROOTS = ['commands'];

const FACELESS = ['webhooks', 'health', 'me'];
const PRODUCTION = '^src/|^mikro-orm[.]config[.]ts$';
const DEVELOPMENT = '^(local|test|scripts)/';
const ENTITY = '[.]entity[.]ts$';
const OURS = `${PRODUCTION}|${DEVELOPMENT}`;

const forbidden = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });
const folder = (names) => `^src/(${names.join('|')})/`;

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    forbidden(
      'no-circular',
      'Under ESM a circle of classes breaks dependency injection; one of types alone is harmless.',
      {},
      { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    ),
    forbidden('no-unresolvable', 'The import leads nowhere.', {}, { couldNotResolve: true }),
    ...Object.entries(MAY_IMPORT).map(([name, allowed]) =>
      forbidden(
        `${name}-imports`,
        `${name} may import: ${allowed.join(', ') || 'nothing'}.`,
        { path: folder([name]) },
        { path: OURS, pathNot: folder([name, ...allowed]) },
      ),
    ),
    forbidden(
      'feature-imports',
      `A feature may import every folder but ${FACELESS.join(', ')}, and no composition root.`,
      { path: '^src/[^/]+/', pathNot: folder([...Object.keys(MAY_IMPORT), ...ROOTS]) },
      { path: ['^src/[^/]+$', '^mikro-orm[.]config[.]ts$', folder([...FACELESS, ...ROOTS])] },
    ),
    forbidden(
      'only-through-the-face',
      'A folder is imported from another only through its index.ts.',
      { path: '^src/([^/]+)/', pathNot: ENTITY },
      { path: '^src/[^/]+/', pathNot: ['^src/$1/', '^src/[^/]+/index[.]ts$'] },
    ),
    forbidden(
      'entities-import-entities',
      'The command line of the ORM loads entities without a compiler: what they import has no decorator.',
      { path: '^src/([^/]+)/.*[.]entity[.]ts$' },
      { path: '^src/', pathNot: ['^src/$1/', ENTITY], dependencyTypesNot: ['type-only'] },
    ),
    forbidden(
      'face-is-for-others',
      'Inside a folder the files import each other, not the index.ts.',
      { path: '^src/([^/]+)/' },
      { path: '^src/$1/index[.]ts$' },
    ),
    forbidden(
      'nothing-local-in-production',
      'What stands in, and the tests, are in no production artefact.',
      { path: PRODUCTION },
      { path: DEVELOPMENT },
    ),
    forbidden(
      'no-development-dependency-in-production',
      'A production install does not have it.',
      { path: PRODUCTION },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg'], dependencyTypesNot: ['type-only'] },
    ),
    forbidden(
      'local-imports',
      'What stands in starts before the application, and knows only its settings.',
      { path: '^local/' },
      { path: OURS, pathNot: '^local/|^src/config/settings[.]ts$' },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      conditionNames: ['import', 'node', 'default', 'types'],
      exportsFields: ['exports'],
    },
  },
};
