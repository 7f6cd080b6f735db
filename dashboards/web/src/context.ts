// What every page knows: who looks, at which site, through which live picture.
import { createContext } from "preact";
import { useContext, useEffect, useReducer, useState } from "preact/hooks";
import type { Me, Site } from "./api";
import { ApiError } from "./api";
import type { LiveSite } from "./live";

export interface Place {
  me: Me;
  site: Site;
  live: LiveSite | undefined; // undefined for people of a group: they have no live page
  may(...roles: Me["role"][]): boolean;
}

export const PlaceContext = createContext<Place | undefined>(undefined);

export function usePlace(): Place {
  const p = useContext(PlaceContext);
  if (!p) throw new Error("no site is chosen");
  return p;
}

/** Draws anew whenever the live picture changes, and every second for the ages. */
export function useLive(live: LiveSite | undefined): void {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    if (!live) return undefined;
    const off = live.on(() => again(0));
    const timer = setInterval(() => again(0), 1000);
    return () => {
      off();
      clearInterval(timer);
    };
  }, [live]);
}

export interface Loaded<T> {
  data: T | undefined;
  error: ApiError | undefined;
  loading: boolean;
  again(): void;
}

/** Loads on every change of the keys; an answer that comes too late is thrown away. */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, keys: readonly unknown[]): Loaded<T> {
  const [state, set] = useState<{ data: T | undefined; error: ApiError | undefined; loading: boolean }>({ data: undefined, error: undefined, loading: true });
  const [turn, again] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const stop = new AbortController();
    set((s) => ({ ...s, error: undefined, loading: true }));
    load(stop.signal).then(
      (data) => !stop.signal.aborted && set({ data, error: undefined, loading: false }),
      (e: unknown) => !stop.signal.aborted && set({ data: undefined, error: e instanceof ApiError ? e : new ApiError(0, ""), loading: false }),
    );
    return () => stop.abort();
  }, [...keys, turn]);
  return { ...state, again: () => again(0) };
}
