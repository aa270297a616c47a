/** The requests to a server. */
export interface Order {
  url: string;
  requests: HttpRequest[];
  /** Repeats all requests for this many seconds. Without it, each request is sent once. */
  seconds?: number;
}

export interface HttpRequest {
  method?: 'GET' | 'POST';
  path: string;
  headers?: Record<string, string>;
  body?: string;
}

export interface Load {
  /** Responses per second with a status below 300, and with any other status. */
  good: number;
  bad: number;
  responses: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
  /** Cores that the load generator used. Near 1, the generator limits the rate, not the server. */
  busy: number;
}

/** Number of parallel connections. */
export const CONNECTIONS = 64;
