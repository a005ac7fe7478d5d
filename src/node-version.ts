/** What the libraries work with, as `engines` of package.json says; npm only warns of it. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < 22 || major === 23 || (major === 22 && minor < 17)) {
  process.stderr.write(`Node ${process.versions.node} does not work: use 24 or newer, or 22 from 22.17 on\n`);
  process.exit(1);
}
