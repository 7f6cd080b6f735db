// The client: paths and answers are typed from openapi.json.
import type { components, paths } from "./generated/api";

export type Schemas = components["schemas"];
export type Machine = Schemas["Machine"];
export type Alarm = Schemas["Alarm"];
export type Gateway = Schemas["Gateway"];
export type Me = Schemas["Me"];
export type Site = Schemas["Site"];

type Answer<P extends keyof paths, M extends "get" | "post"> = paths[P][M] extends { responses: { 200: { content: { "application/json": infer R } } } } ? R : never;
type Body<P extends keyof paths> = paths[P]["post"] extends { requestBody: { content: { "application/json": infer B } } } ? B : undefined;
export type Params = Record<string, string | number | boolean | undefined>;

/** An answer that is not what was asked for. detail is the server's own words, in English. */
export class ApiError extends Error {
  constructor(readonly status: number, readonly detail: string) {
    super(detail);
  }
}

/** Fills {names} of a path; what is left over goes into the query. */
export function address(path: string, params: Params): string {
  const query = new URLSearchParams();
  let out = path;
  for (const [k, v] of Object.entries(params)) {
    if (v === undefined) continue;
    if (out.includes(`{${k}}`)) out = out.replace(`{${k}}`, encodeURIComponent(String(v)));
    else query.set(k, String(v));
  }
  const q = query.toString();
  return q ? `${out}?${q}` : out;
}

async function call<T>(method: string, url: string, body: unknown, signal?: AbortSignal): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(url, {
      method, signal: signal ?? null, credentials: "same-origin",
      headers: method === "POST" ? { "Content-Type": "application/json" } : {},
      body: method === "POST" ? JSON.stringify(body ?? {}) : null,
    });
  } catch (e) {
    if (e instanceof DOMException && e.name === "AbortError") throw e;
    throw new ApiError(0, "");
  }
  if (answer.ok) return (await answer.json()) as T;
  let detail = "";
  try {
    const p = (await answer.json()) as Schemas["ErrorModel"];
    detail = [p.detail, ...(p.errors ?? []).map((e) => `${e.location ?? ""} ${e.message ?? ""}`)].join(" ").trim();
  } catch {
    // not a problem document: the status alone must do
  }
  throw new ApiError(answer.status, detail);
}

export function get<P extends keyof paths & string>(path: P, params: Params = {}, signal?: AbortSignal): Promise<Answer<P, "get">> {
  return call("GET", address(path, params), undefined, signal);
}

export function post<P extends keyof paths & string>(path: P, params: Params, body?: Body<P>): Promise<Answer<P, "post">> {
  return call("POST", address(path, params), body);
}
