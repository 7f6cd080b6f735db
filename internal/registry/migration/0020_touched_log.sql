-- New samples are noted a second time for a machine before anybody has looked at the first note, thousands of times a second
-- when there are many machines. A row here holds the stretches of one transaction; they become rows of touched when somebody
-- looks, one for each machine.

-- +goose Up
CREATE TABLE touched_log (
	id        BIGINT PRIMARY KEY, -- drawn at random
	stretches BYTEA NOT NULL -- see touched_log.go
);
INSERT INTO counter (name, value) VALUES ('touched_log', 0); -- only locked

-- +goose Down
-- What stands here is lost for the list: stop ingest and let analytics run once before.
DROP TABLE touched_log;
DELETE FROM counter WHERE name = 'touched_log';
