-- Which gateway reads a machine comes from its boots; nothing wrote this column.

-- +goose Up
ALTER TABLE machine DROP COLUMN gateway;

-- +goose Down
ALTER TABLE machine ADD COLUMN gateway TEXT NOT NULL DEFAULT '';
