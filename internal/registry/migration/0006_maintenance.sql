-- Rules on acceleration and kurtosis with their persistence and the day from which a baseline is learnt, what rose in
-- an alarm, shelving, and service by run-hours.

-- +goose Up
ALTER TABLE machine_settings ADD COLUMN acceleration_ratio DOUBLE PRECISION NOT NULL DEFAULT 0;
ALTER TABLE machine_settings ADD COLUMN kurtosis_rise DOUBLE PRECISION NOT NULL DEFAULT 0;
ALTER TABLE machine_settings ADD COLUMN persist_over BIGINT NOT NULL DEFAULT 0;
ALTER TABLE machine_settings ADD COLUMN persist_of BIGINT NOT NULL DEFAULT 0;
ALTER TABLE machine_settings ADD COLUMN baseline_from_ms BIGINT NOT NULL DEFAULT 0;

ALTER TABLE alarm ADD COLUMN rises_json TEXT NOT NULL DEFAULT ''; -- [Rise], of vibration-high
ALTER TABLE alarm ADD COLUMN shelved_until_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alarm ADD COLUMN shelved_by TEXT NOT NULL DEFAULT '';
ALTER TABLE alarm ADD COLUMN shelve_reason TEXT NOT NULL DEFAULT '';

-- What a site file says of a machine's service tasks, on top of the kit of its class.
CREATE TABLE service_task (
	site          TEXT NOT NULL,
	machine       TEXT NOT NULL,
	task          TEXT NOT NULL,
	name_hi       TEXT NOT NULL, -- '': the kit's
	name_en       TEXT NOT NULL,
	do_hi         TEXT NOT NULL, -- '': the kit's
	do_en         TEXT NOT NULL,
	interval_h    DOUBLE PRECISION NOT NULL,
	interval_days BIGINT NOT NULL,
	off           BOOLEAN NOT NULL, -- the kit's task is not wanted here
	PRIMARY KEY (site, machine, task),
	FOREIGN KEY (site, machine) REFERENCES machine (site, id)
);

CREATE TABLE service_done (
	id      BIGINT NOT NULL PRIMARY KEY,
	site    TEXT NOT NULL,
	machine TEXT NOT NULL,
	task    TEXT NOT NULL,
	done_ms BIGINT NOT NULL,
	by_name TEXT NOT NULL,
	note    TEXT NOT NULL,
	run_ms  BIGINT NOT NULL -- run-hours counted since the time before
);
CREATE INDEX service_done_site ON service_done (site, machine, task, done_ms);
INSERT INTO counter (name, value) VALUES ('service', 0);

-- +goose Down
DELETE FROM counter WHERE name = 'service';
DROP TABLE service_done;
DROP TABLE service_task;
ALTER TABLE alarm DROP COLUMN shelve_reason;
ALTER TABLE alarm DROP COLUMN shelved_by;
ALTER TABLE alarm DROP COLUMN shelved_until_ms;
ALTER TABLE alarm DROP COLUMN rises_json;
ALTER TABLE machine_settings DROP COLUMN baseline_from_ms;
ALTER TABLE machine_settings DROP COLUMN persist_of;
ALTER TABLE machine_settings DROP COLUMN persist_over;
ALTER TABLE machine_settings DROP COLUMN kurtosis_rise;
ALTER TABLE machine_settings DROP COLUMN acceleration_ratio;
