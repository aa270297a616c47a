/** The response body of every measured route, so that only the guard differs. */
export const BODY = { id: 1, name: 'The same body for every client' };
