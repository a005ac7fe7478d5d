import './node-version.ts';

const { startWorker } = await import('./start.ts');
await startWorker();
