-- What is made from states (sessions, gaps) may be made later than the states. What is still owed outlives the process.

-- +goose Up
ALTER TABLE touched ADD COLUMN owed_ms BIGINT NOT NULL DEFAULT 0; -- changes from here on have yet to be followed; 0: none

-- +goose Down
ALTER TABLE touched DROP COLUMN owed_ms;
