import { SandboxError } from '../world/sandbox-error.js';

/** The fields of a JSON body, read with their types. */
export class Fields {
  constructor(readonly json: Record<string, unknown>) {}

  /** A text, or undefined where the field is absent. */
  text(name: string): string | undefined {
    const value = this.json[name];
    if (value === undefined || typeof value === 'string') return value;
    throw new SandboxError(`${name} must be a text.`);
  }

  /** A text that must be there. */
  need(name: string): string {
    const value = this.text(name);
    if (value !== undefined) return value;
    throw new SandboxError(`${name} is missing. Send it in the JSON body: {"${name}": "…"}.`);
  }

  /** One of some texts. */
  choice<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    const value = this.text(name);
    const choice = choices.find((one) => one === value);
    if (value === undefined || choice) return choice;
    throw new SandboxError(`${name} must be one of ${choices.join(', ')}.`);
  }

  flag(name: string): boolean {
    return this.json[name] === true;
  }
}
