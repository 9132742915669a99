// Which Kubernetes this API speaks, as clients ask for it: kubectl warns where its own version is too far
// off, and charts choose by it what they install.

/** The release whose kinds, defaults and behaviour the API follows. */
const major = 1, minor = 36;

/** As git writes that there is none: clients take only what is hexadecimal for a commit. */
const gitCommit = '0'.repeat(40);

/** The build facts of a Go program have no meaning here; clients want the fields all the same. */
export const versionInfo = {
  major: String(major), minor: String(minor), emulationMajor: String(major), emulationMinor: String(minor),
  gitVersion: `v${major}.${minor}.0+shoal`, gitCommit, gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z', goVersion: 'none', compiler: 'node', platform: 'linux/any',
} as const;
