// What this browser remembers: choices for all tabs, drafts and running tasks for one. Never a key.
// Storage may be full or refused; the page then works and forgets.

export const forAllTabs = store(() => localStorage);
export const forThisTab = store(() => sessionStorage);

function store(open) {
  return {
    read(name, fallback = null) {
      try {
        const text = open().getItem(`easel.${name}`);
        return text === null ? fallback : JSON.parse(text);
      } catch {
        return fallback;
      }
    },
    write(name, value) {
      try {
        if (value === null) open().removeItem(`easel.${name}`);
        else open().setItem(`easel.${name}`, JSON.stringify(value));
      } catch {
        // See above.
      }
    },
  };
}
