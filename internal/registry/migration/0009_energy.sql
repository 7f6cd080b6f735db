-- Electricity: dated tariffs of the supplier, emission factors by fiscal year, metals; the rated power of machines.

-- +goose Up
CREATE TABLE electricity (
	site   TEXT NOT NULL,
	kind   TEXT NOT NULL, -- tariff, emission, metal
	id     TEXT NOT NULL, -- what tells rows of a kind apart: start, fiscal year, metal and start
	body   TEXT NOT NULL, -- JSON of the type in package electricity
	author TEXT NOT NULL,
	PRIMARY KEY (site, kind, id)
);
ALTER TABLE machine ADD COLUMN rated_w BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE machine DROP COLUMN rated_w;
DROP TABLE electricity;
