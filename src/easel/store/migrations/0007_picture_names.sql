-- Every request for a picture looks up by name whether it is shown.
CREATE INDEX tasks_picture_name ON tasks (picture_name) WHERE picture_name IS NOT NULL;
