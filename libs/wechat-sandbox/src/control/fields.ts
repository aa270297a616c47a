import { SandboxError } from '../world/sandbox-error.js';

const LONGEST_TEXT = 2048;
const LONGEST_LIST = 100;

/** Reads the fields of a JSON body with their types. */
export class Fields {
  constructor(readonly json: Record<string, unknown>) {}

  /** Returns a text, or undefined if the field is absent. */
  text(name: string): string | undefined {
    const value = this.json[name];
    if (value === undefined || (typeof value === 'string' && value.length <= LONGEST_TEXT))
      return value;
    throw new SandboxError(`${name} must be a text of at most ${LONGEST_TEXT} characters.`);
  }

  /** Returns a text that is required. */
  need(name: string): string {
    const value = this.text(name);
    if (value !== undefined) return value;
    throw new SandboxError(`${name} is missing. Send it in the JSON body: {"${name}": "…"}.`);
  }

  /** Returns one of some texts, or undefined if the field is absent. */
  choice<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    const value = this.text(name);
    const choice = choices.find((one) => one === value);
    if (value === undefined || choice) return choice;
    throw new SandboxError(`${name} must be one of ${choices.join(', ')}.`);
  }

  /** Returns a list of texts that is required. */
  texts(name: string): string[] {
    const value = this.json[name];
    const isList = Array.isArray(value) && value.length <= LONGEST_LIST;
    if (isList && value.every((one) => typeof one === 'string')) return value;
    throw new SandboxError(`${name} must be a list of at most ${LONGEST_LIST} texts.`);
  }

  flag(name: string): boolean {
    return this.json[name] === true;
  }
}
