/** The usual reason why every variable is missing. */
export const ENV_FILE_HINT =
  'Nest does not read .env files: start with node --env-file=.env dist/main';
