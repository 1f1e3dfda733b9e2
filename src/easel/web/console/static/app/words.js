// Languages: `t` has the text of a name in the reader's language, numbers and times as that language writes them.
// A new language is a file in words/, one in each folder there, and a line in LANGUAGES, LOADERS and MORE.

import { computed, effect, signal } from "./html.js";
import { forAllTabs } from "./kept.js";
import first from "./words/en.js";

export const LANGUAGES = { en: "English", zh: "中文" };

const LOADERS = { zh: () => import("./words/zh.js") };
// Texts of views that few readers open are loaded with these views.
const MORE = {
  operating: { en: () => import("./words/operating/en.js"), zh: () => import("./words/operating/zh.js") },
};
const english = { ...first };
const loaded = { en: english };
const learned = new Set();

export const language = signal("en");

/** Show the page in a language, once its words are there. */
export async function speak(code) {
  if (!loaded[code]) loaded[code] = { ...(await LOADERS[code]()).default };
  await Promise.all([...learned].map((name) => add(name, code)));
  language.value = code;
}

/** Load more texts, in the reader's language and in English. */
export async function learn(name) {
  learned.add(name);
  await Promise.all([...new Set(["en", language.peek()])].map((code) => add(name, code)));
}

async function add(name, code) {
  Object.assign(loaded[code], (await MORE[name][code]()).default);
}

/** The language that the reader chose, or the first of the browser's that the page has. */
export function preferredLanguage() {
  const chosen = forAllTabs.read("language");
  const wanted = [chosen, ...navigator.languages].filter(Boolean).map((tag) => tag.split("-")[0]);
  return wanted.find((code) => code in LANGUAGES) ?? "en";
}

/** Choose a language, and remember it. */
export function chooseLanguage(code) {
  forAllTabs.write("language", code);
  return speak(code);
}

const plurals = computed(() => new Intl.PluralRules(language.value));
const numbers = computed(() => new Intl.NumberFormat(language.value, { maximumFractionDigits: 6 }));
const dates = computed(() => new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "short" }));
const daysOnly = computed(() => new Intl.DateTimeFormat(language.value, { dateStyle: "medium" }));
const days = computed(() => new Intl.DateTimeFormat(language.value, { day: "numeric", month: "short", timeZone: "UTC" }));
const ages = computed(() => new Intl.RelativeTimeFormat(language.value, { numeric: "auto", style: "short" }));

effect(() => {
  document.documentElement.lang = language.value === "zh" ? "zh-Hans" : language.value;
});

/** The text of a name. `{count}` and other braces are filled with `values`; `count` also chooses the plural. */
export function t(name, values = {}) {
  let text = loaded[language.value][name] ?? english[name];
  if (text === undefined) return name;
  if (typeof text === "object") text = text[plurals.value.select(values.count)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, key) => {
    const value = values[key];
    return value === undefined ? whole : typeof value === "number" ? number(value) : value;
  });
}

/** Sentences as one text. Chinese has no blank between them. */
export function sentences(...texts) {
  return texts.join(language.value === "zh" ? "" : " ");
}

/** Whether there is a text of this name. */
export function has(name) {
  return name in english;
}

export function number(value) {
  return numbers.value.format(value);
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/** A number of bytes, in the unit that suits it. */
export function bytes(count) {
  const step = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  const value = count / 1000 ** step;
  const maximumFractionDigits = value < 10 && step ? 1 : 0;
  return new Intl.NumberFormat(language.value, { style: "unit", unit: UNITS[step], unitDisplay: "short", maximumFractionDigits }).format(value);
}

export function date(unix_s) {
  return dates.value.format(new Date(unix_s * 1000));
}

/** A time's day alone. */
export function dayOnly(unix_s) {
  return daysOnly.value.format(new Date(unix_s * 1000));
}

/** A day such as 2026-11-30, which is one in UTC. */
export function day(iso) {
  return days.value.format(new Date(`${iso}T00:00:00Z`));
}

const NEARLY = 0.02;
const SPANS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

/** How long ago a time was, or how far ahead it is. */
export function age(unix_s, now_s) {
  const past_s = unix_s - now_s;
  for (const [unit, seconds] of SPANS) {
    if (Math.abs(past_s) >= seconds) return ages.value.format(Math.trunc(past_s / seconds), unit);
  }
  return t("now");
}

/** A span of seconds, in its largest whole unit. What is all but a unit counts as one. */
export function span(seconds) {
  for (const [unit, each] of SPANS) {
    const count = Math.floor(seconds / each + NEARLY);
    if (count >= 1) return t(`span.${unit}`, { count });
  }
  return t("span.second", { count: Math.max(0, Math.ceil(seconds)) });
}
