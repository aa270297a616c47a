/** What a server is sent. */
export interface Order {
  url: string;
  requests: HttpRequest[];
  /** For so long, all over again; without it each request once. */
  seconds?: number;
}

export interface HttpRequest {
  method?: 'GET' | 'POST';
  path: string;
  headers?: Record<string, string>;
}

export interface Load {
  /** Answers per second with a status below 300, and with any other. */
  good: number;
  bad: number;
  answers: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
  /** Cores that the generator kept busy; near 1, it is the load that is measured, not the server. */
  busy: number;
}

/** How many connections ask at the same time. */
export const CONNECTIONS = 64;
