// Words for people. Hindi first; a further language is a further file in i18n/.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import en from "../i18n/en.json";
import hi from "../i18n/hi.json";
import type { DurationUnits, Lang } from "./format";
import * as format from "./format";

export type Key = keyof typeof en;
const words: Record<Lang, Record<Key, string>> = { hi, en };

const kept = "karkhana.lang";

export function keptLang(): Lang {
  try {
    return localStorage.getItem(kept) === "en" ? "en" : "hi";
  } catch {
    return "hi"; // storage may be forbidden
  }
}

export function keepLang(lang: Lang): void {
  document.documentElement.lang = lang;
  try {
    localStorage.setItem(kept, lang);
  } catch {
    // then it is asked again next time
  }
}

export interface Words {
  lang: Lang;
  t(key: Key, values?: Record<string, string | number>): string;
  /** A name of the registry in this language, else in the other, else the id. */
  name(n: { hi: string; en: string } | undefined, id: string): string;
  duration(seconds: number): string;
  /** Like duration, but never in days: for bills. */
  billed(seconds: number): string;
}

export function wordsOf(lang: Lang): Words {
  const t = (key: Key, values: Record<string, string | number> = {}) =>
    words[lang][key].replace(/\{(\w+)\}/g, (whole, k: string) => (k in values ? String(values[k]) : whole));
  const units: DurationUnits = { day: t("time.day"), hour: t("time.hour"), minute: t("time.minute"), second: t("time.second") };
  return {
    lang, t,
    name: (n, id) => (n ? (lang === "hi" ? n.hi || n.en : n.en || n.hi) : "") || id,
    duration: (s) => format.duration(s, units),
    billed: (s) => format.duration(s, units, false),
  };
}

export const WordsContext = createContext<Words>(wordsOf("hi"));
export const useWords = (): Words => useContext(WordsContext);
