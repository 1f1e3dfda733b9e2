// The form: what to draw. Each tab has its own draft, which outlives a reload.

import { computed, effect, signal } from "./html.js";
import { forThisTab } from "./kept.js";
import { onLeaving, session } from "./session.js";
import { pixels, RATIOS, sizeName } from "./sizes.js";

export const SEED_MAX = 2_147_483_647;
export const PICTURES_MAX = 10;
export const FORMATS = ["webp", "png", "jpeg"];
const CUSTOM = "custom";
const EMPTY = { prompt: "", size: "1:1", width: 1024, height: 768, seed: "", count: 1, format: "webp", strict: false };

const draft = { ...EMPTY, ...forThisTab.read("form", {}) };
/** The fields, a signal each. An empty `seed` means a new one for each picture. */
export const fields = Object.fromEntries(Object.entries(draft).map(([name, value]) => [name, signal(value)]));

effect(() => {
  const values = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value]));
  forThisTab.write("form", values);
});

onLeaving(() => {
  for (const [name, value] of Object.entries(EMPTY)) fields[name].value = value;
});

/** Characters as the service counts them: code points. */
export const promptLength = computed(() => [...fields.prompt.value].length);
export const limits = computed(
  () => session.value?.limits ?? { prompt_characters_max: 2000, side_px_min: 376, side_px_max: 1536 },
);

export const isCustom = computed(() => fields.size.value === CUSTOM);
export const isSizeGood = computed(() => {
  const { side_px_min, side_px_max } = limits.value;
  const isGood = (side) => Number.isInteger(side) && side >= side_px_min && side <= side_px_max;
  return !isCustom.value || (isGood(fields.width.value) && isGood(fields.height.value));
});
export const isSeedGood = computed(() => {
  const seed = fields.seed.value.trim();
  return seed === "" || (/^\d{1,10}$/.test(seed) && Number(seed) >= 1 && Number(seed) <= SEED_MAX);
});
export const isPromptGood = computed(
  () => /\S/u.test(fields.prompt.value) && promptLength.value <= limits.value.prompt_characters_max,
);
export const isGood = computed(() => isPromptGood.value && isSizeGood.value && isSeedGood.value);

/** The chosen size in pixels. */
export const chosenPixels = computed(() =>
  isCustom.value ? [fields.width.value, fields.height.value] : pixels(fields.size.value),
);
/** What the form costs in credits. Rounded, because decimal fractions do not add up exactly. */
export const cost = computed(() => costOf(fields.count.value));

export function costOf(count) {
  return Math.round((session.value?.price_credits ?? 0) * count * 1e6) / 1e6;
}

/** The bodies of the orders, one for each picture, as the API takes them. */
export function orders() {
  const body = { model: session.value?.key?.models?.[0] ?? "z-image-turbo", prompt: fields.prompt.value };
  body.size = isCustom.value ? sizeName(fields.width.value, fields.height.value) : fields.size.value;
  if (fields.format.value !== "webp") body.output_format = fields.format.value;
  if (fields.strict.value) body.nsfw_check = true;
  const seed = fields.seed.value.trim();
  return Array.from({ length: fields.count.value }, (_, nth) =>
    seed === "" ? body : { ...body, seed: seedAfter(Number(seed), nth) },
  );
}

/** The seed some places after another. Seeds begin anew after the last. */
export function seedAfter(seed, places) {
  return ((seed - 1 + places) % SEED_MAX) + 1;
}

export function randomSeed() {
  return 1 + Math.floor(Math.random() * SEED_MAX);
}

/** Fill the form with an order. */
export function fill(order) {
  fields.prompt.value = order.prompt;
  fields.format.value = order.output_format ?? "webp";
  fields.strict.value = order.nsfw_check ?? false;
  fields.seed.value = order.seed ? String(order.seed) : "";
  fields.count.value = 1;
  if (order.size in RATIOS) {
    fields.size.value = order.size;
    return;
  }
  fields.size.value = CUSTOM;
  [fields.width.value, fields.height.value] = pixels(order.size);
}
