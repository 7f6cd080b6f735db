-- Rules of states beyond two thresholds (pulses, status signals, furnace phases), and what was known when a
-- person confirmed learnt thresholds.

-- +goose Up
ALTER TABLE machine_settings ADD COLUMN pulse_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE machine_settings ADD COLUMN status_map TEXT NOT NULL DEFAULT '';
ALTER TABLE machine_settings ADD COLUMN phase_rate_c DOUBLE PRECISION NOT NULL DEFAULT 0;
ALTER TABLE machine_settings ADD COLUMN phase_band_c DOUBLE PRECISION NOT NULL DEFAULT 0;
ALTER TABLE machine_settings ADD COLUMN phase_cold_c DOUBLE PRECISION NOT NULL DEFAULT 0;

CREATE TABLE threshold_confirmed (
	site          TEXT NOT NULL,
	machine       TEXT NOT NULL,
	valid_from_ms BIGINT NOT NULL,
	confirmed_ms  BIGINT NOT NULL,
	author        TEXT NOT NULL,
	signal        TEXT NOT NULL,
	from_ms       BIGINT NOT NULL, -- the stretch it was learnt from
	to_ms         BIGINT NOT NULL,
	classes_json  TEXT NOT NULL,
	PRIMARY KEY (site, machine, valid_from_ms)
);

-- +goose Down
DROP TABLE threshold_confirmed;
ALTER TABLE machine_settings DROP COLUMN phase_cold_c;
ALTER TABLE machine_settings DROP COLUMN phase_band_c;
ALTER TABLE machine_settings DROP COLUMN phase_rate_c;
ALTER TABLE machine_settings DROP COLUMN status_map;
ALTER TABLE machine_settings DROP COLUMN pulse_ms;
