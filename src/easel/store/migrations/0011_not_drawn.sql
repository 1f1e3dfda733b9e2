-- Words of the prompt that the picture does not show: an array of strings, or NULL if the engine cannot tell. They are
-- erased with the prompt.
ALTER TABLE tasks ADD not_drawn jsonb;
