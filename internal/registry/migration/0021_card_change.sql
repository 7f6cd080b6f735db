-- When the cards of a site changed last: who sends lists of cards reads those of a site only then. Unix milliseconds pushed
-- past the one before, so that a registry restored from an old backup does not repeat one.

-- +goose Up
ALTER TABLE site ADD COLUMN cards_changed BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE site DROP COLUMN cards_changed;
