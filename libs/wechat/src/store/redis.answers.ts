/*
 * What each command can answer. An answer of another kind belongs to another question: the connection is out of step.
 */

export function isBytesOrNil(answer: unknown): answer is Buffer | null {
  return answer === null || Buffer.isBuffer(answer);
}

export function isOkOrNil(answer: unknown): answer is 'OK' | null {
  return answer === null || answer === 'OK';
}

export function isNumber(answer: unknown): answer is number {
  return typeof answer === 'number';
}

export function isPair(answer: unknown): answer is [number, number] {
  return Array.isArray(answer) && answer.length === 2 && answer.every(isNumber);
}
