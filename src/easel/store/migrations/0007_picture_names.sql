-- A link names its picture, and whether that may be shown is looked up at each request.
CREATE INDEX tasks_picture_name ON tasks (picture_name) WHERE picture_name IS NOT NULL;
