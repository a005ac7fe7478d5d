import './node-version.ts';

// imported after the check: an older Node fails at the imports of what follows
const { startServer } = await import('./start.ts');
await startServer();
