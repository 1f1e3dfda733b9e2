// Amounts and limits as operators type them. What is no number is sent as it is, and the service says what is wrong.

/** A number, or the text that is none. A comma is a decimal point. */
export function amountOf(text) {
  const value = Number(text.replace(",", "."));
  return text !== "" && Number.isFinite(value) ? value : text;
}

/** A limit: null if the field is empty. */
export function limitOf(text) {
  return text === "" ? null : amountOf(text);
}

/** The end of a day as a Unix time, or null for none. */
export function endOfDay_s(text) {
  return text === "" ? null : Math.floor(new Date(`${text}T23:59:59`).getTime() / 1000);
}

/** The day of a Unix time, as fields for days take it. */
export function dayOf(unix_s) {
  if (unix_s === null || unix_s === undefined) return "";
  const moment = new Date(unix_s * 1000);
  const two = (value) => String(value).padStart(2, "0");
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}
