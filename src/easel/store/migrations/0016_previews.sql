-- Whether somebody follows the task who wants to see its picture form. Its worker sends previews then.
ALTER TABLE tasks ADD wants_previews boolean NOT NULL DEFAULT false;
