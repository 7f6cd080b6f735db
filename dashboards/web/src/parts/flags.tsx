import { useWords, type Key } from "../i18n";

const flagWord: Record<string, Key> = {
  integrated: "en.f.integrated", interpolated: "en.f.interpolated", reset: "en.f.reset", wrap: "en.f.wrap", swap: "en.f.swap",
  reversed: "en.f.reversed", disagree: "en.f.disagree", meter: "en.f.meter",
};

/** What is to be known of an energy, in words; "split" concerns the bands of a tariff only. */
function wordsOf(flags: readonly string[] | null | undefined): Key[] {
  return [...new Set(flags ?? [])].map((f) => flagWord[f]).filter((w) => w !== undefined);
}

/** ≈ before what is not read from a register alone, with the reasons on asking. */
export function Marks({ flags }: { flags: readonly string[] }) {
  const { t } = useWords();
  const words = wordsOf(flags).map((w) => t(w)).join("; ");
  return words ? <abbr class="approx" title={words} aria-label={words}>≈</abbr> : null;
}

/** The star behind an energy of which something is to be known. */
export const star = (flags: readonly string[] | null | undefined) => wordsOf(flags).length > 0 ? "*" : "";

/** The note that explains the stars above it. */
export function StarNote({ flags }: { flags: readonly string[] }) {
  const { t } = useWords();
  const words = wordsOf(flags).map((w) => t(w)).join("; ");
  return words ? <p class="small">* {words}</p> : null;
}
