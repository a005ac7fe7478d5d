/** What is wrong with a command line, in a sentence. */
export class UsageError extends Error {}
