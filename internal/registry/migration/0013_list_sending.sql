-- When a gateway was last sent the list of cards, and which version: of several ingest processes one sends it.

-- +goose Up
ALTER TABLE gateway ADD COLUMN list_version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE gateway ADD COLUMN list_sent_ms BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE gateway DROP COLUMN list_sent_ms;
ALTER TABLE gateway DROP COLUMN list_version;
