// A field for the name of an account. It offers the names that contain what is typed.

import { html } from "../html.js";
import { Search } from "../parts/search.js";
import { useRead } from "../reading.js";
import { t } from "../words.js";

const OFFERED_MAX = 20;

export function AccountSearch({ value, find }) {
  const query = new URLSearchParams({ limit: OFFERED_MAX, name: value });
  const { data } = useRead(`admin/v1/accounts?${query}`);
  const names = (data?.data ?? []).map(({ name }) => name);
  return html`<${Search} id="account" label=${t("admin.filter.account")} value=${value} find=${find} suggestions=${names} />`;
}
