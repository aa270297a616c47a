/** A program that some tests need. */
export interface Program {
  name: string;
  isInstalled: boolean;
  /** Debian's package. */
  package: string;
}

/**
 * `describe` for tests that need a program. Without it they are skipped, and tools/progress.reporter.mjs prints what to install.
 * With CI=true they fail.
 */
export function describeWith(program: Program, title: string, stories: () => void): void {
  if (program.isInstalled) return describe(title, stories);
  const need = `needs ${program.name}: apt-get install ${program.package}`;
  if (process.env['CI'] !== 'true') return describe.skip(`${title} [${need}]`, stories);
  describe(title, () =>
    it(need, () => {
      throw new Error(`${program.name} is not installed. With CI=true no test is skipped.`);
    }),
  );
}
