-- Why the worker takes no tasks at present. NULL: it takes tasks.
ALTER TABLE workers ADD paused_because text;
