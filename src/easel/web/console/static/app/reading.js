// Reads an address of the service for a component, and reads it again: now and then, when asked to, and when the
// connection is back. What was read before is shown until the new answer is there, so that nothing jumps.

import { call, recoveries } from "./api.js";
import { isSeen } from "./clock.js";
import { useEffect, useState } from "./html.js";

/** What an address answers: `{data, fault, reload}`. `data` is null before the first answer. */
export function useRead(address, every_ms = 0) {
  const [state, setState] = useState({ data: null, fault: null });
  const [turn, setTurn] = useState(0);
  const reload = () => setTurn((before) => before + 1);
  useEffect(() => {
    const abort = new AbortController();
    call("GET", address, { signal: abort.signal }).then(
      (data) => abort.signal.aborted || setState({ data, fault: null }),
      (fault) => abort.signal.aborted || setState((before) => ({ data: before.data, fault })),
    );
    return () => abort.abort();
  }, [address, turn, recoveries.value]);
  const isPolling = every_ms > 0 && isSeen.value;
  useEffect(() => {
    if (!isPolling) return undefined;
    const timer = setInterval(reload, every_ms);
    return () => clearInterval(timer);
  }, [isPolling, every_ms]);
  return { ...state, reload };
}

/** Pages of a list that tells where the next begins: `{rows, isAll, fault, more, reload}`. `rows` is null at first. */
export function usePages(address) {
  const [state, setState] = useState({ rows: null, next: 0, fault: null });
  const read = async (cursor, before, abort) => {
    try {
      const mark = address.includes("?") ? "&" : "?";
      const page = await call("GET", cursor ? `${address}${mark}cursor=${cursor}` : address, { signal: abort?.signal });
      if (!abort?.signal.aborted) setState({ rows: [...before, ...page.data], next: page.next ?? null, fault: null });
    } catch (fault) {
      if (!abort?.signal.aborted) setState((now) => ({ ...now, fault }));
    }
  };
  useEffect(() => {
    const abort = new AbortController();
    read(0, [], abort);
    return () => abort.abort();
  }, [address, recoveries.value]);
  return {
    ...state,
    isAll: state.next === null,
    more: () => read(state.next, state.rows),
    reload: () => read(0, []),
  };
}
