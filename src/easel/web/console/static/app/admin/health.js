// What the doctor finds, and the audit and the repair of credits.

import { call } from "../api.js";
import { inWords } from "../failures.js";
import { html, useState } from "../html.js";
import { notify } from "../parts/notice.js";
import { asked } from "../parts/question.js";
import { Fault } from "../parts/table.js";
import { useRead } from "../reading.js";
import { t } from "../words.js";

export function Health() {
  return html`<${Doctor} /><${Credits} />`;
}

function Doctor() {
  const { data, fault, reload } = useRead("admin/v1/doctor");
  const problems = data?.findings.filter(({ is_ok }) => !is_ok).length;
  return html`
    <section class="panel">
      <div class="panel-head">
        <h2>${t("admin.doctor")}</h2>
        ${data && html`<span class="state ${problems ? "is-bad" : "is-good"}">${t("admin.problems", { count: problems })}</span>`}
      </div>
      <p class="quiet">${t("admin.doctor.text")}</p>
      ${fault && html`<${Fault} fault=${fault} retry=${reload} />`}
      ${!data && !fault && html`<p class="quiet table-empty" role="status">${t("admin.doctor.busy")}</p>`}
      <${Findings} findings=${data?.findings.map(({ subject, is_ok, words }) => ({ name: subject, isGood: is_ok, words }))} />
    </section>
  `;
}

function Findings({ findings }) {
  if (!findings) return null;
  return html`
    <ul class="findings">
      ${findings.map(
        ({ name, isGood, words }, nth) => html`
          <li key=${nth}>
            <span class="state ${isGood ? "is-good" : "is-bad"}">${name}<span class="unseen">: ${t(isGood ? "admin.fine" : "admin.problem")}</span></span>
            <span>${words}</span>
          </li>
        `,
      )}
    </ul>
  `;
}

function Credits() {
  const [audited, setAudited] = useState(null);
  const [changes, setChanges] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const attempt = async (work) => {
    setBusy(true);
    try {
      await work();
    } catch (error) {
      notify(inWords(error));
    }
    setBusy(false);
  };
  const audit = () =>
    attempt(async () => {
      setAudited(await call("POST", "admin/v1/credits/audit"));
      setChanges((await call("POST", "admin/v1/credits/repair", { json: {} })).changes);
    });
  const repair = async () => {
    const question = { heading: t("admin.repair.heading"), text: t("admin.repair.text"), yes: t("admin.repair"), no: t("form.cancel") };
    if (!(await asked(question))) return;
    await attempt(() => call("POST", "admin/v1/credits/repair", { json: { apply: true } }));
    audit();
  };
  const broken = audited?.invariants.filter(({ holds }) => !holds);
  return html`
    <section class="panel">
      <div class="panel-head">
        <h2>${t("admin.books")}</h2>
        ${broken && html`<span class="state ${broken.length ? "is-bad" : "is-good"}" role="status">${t("admin.problems", { count: broken.length })}</span>`}
        <button class="button" disabled=${isBusy} onClick=${audit}>${t(isBusy ? "admin.books.busy" : "admin.books.check")}</button>
        ${changes?.length > 0 && html`<button class="button is-danger" disabled=${isBusy} onClick=${repair}>${t("admin.repair")}</button>`}
      </div>
      <p class="quiet">${t("admin.books.text")}</p>
      ${broken?.length > 0 && html`<${Findings} findings=${broken.map((each) => ({ name: t("admin.broken"), isGood: false, words: `${each.invariant}: ${each.subjects.join(", ")}` }))} />`}
    </section>
  `;
}
