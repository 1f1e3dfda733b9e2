-- What a worker draws with, and how many pictures it finished in the last hour. NULL: an earlier version does not tell.
ALTER TABLE workers ADD engine text, ADD device text, ADD pictures_last_hour integer;
