// Where the page is: everything behind the # of the address, so that any file server will do.
import { useEffect, useState } from "preact/hooks";

export interface Route {
  page: string;
  id: string;
  query: URLSearchParams;
}

export function parse(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  const [page = "", id = ""] = path.split("/");
  return { page: page || "live", id: decodeURIComponent(id), query: new URLSearchParams(query) };
}

export function useRoute(): Route {
  const [route, set] = useState(() => parse(location.hash));
  useEffect(() => {
    const on = () => set(parse(location.hash));
    addEventListener("hashchange", on);
    return () => removeEventListener("hashchange", on);
  }, []);
  return route;
}
