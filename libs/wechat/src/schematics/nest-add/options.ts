/** @internal What schema.json declares. */
export interface NestAddOptions {
  sourceRoot: string;
  redis: boolean;
  sandbox: boolean;
  test: boolean;
  skipInstall: boolean;
}
