-- Several processes take turns at what one of them must look after now and then.

-- +goose Up
CREATE TABLE turn (
	name     TEXT PRIMARY KEY,
	taken_ms BIGINT NOT NULL
);

-- +goose Down
DROP TABLE turn;
