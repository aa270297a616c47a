/** What every measured route answers, so that what differs is the guard alone. */
export const BODY = { id: 1, name: 'The same answer to everybody' };
