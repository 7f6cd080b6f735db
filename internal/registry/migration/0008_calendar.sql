-- Working hours, planned stops and breakdowns: what the figures of utilisation are counted against.

-- +goose Up

-- Working week of a site (machine '') or of one machine, from a day on. body_json: {"like_site":bool,"shifts":[Shift]}.
CREATE TABLE calendar_week (
	site          TEXT NOT NULL,
	machine       TEXT NOT NULL,
	valid_from_ms BIGINT NOT NULL,
	body_json     TEXT NOT NULL,
	PRIMARY KEY (site, machine, valid_from_ms)
);

-- What the figures are held against, from a day on.
CREATE TABLE kpi_rule (
	site           TEXT NOT NULL,
	valid_from_ms  BIGINT NOT NULL,
	hours_per_year BIGINT NOT NULL,
	min_coverage   DOUBLE PRECISION NOT NULL,
	PRIMARY KEY (site, valid_from_ms)
);

-- kind: holiday, closure, maintenance. machine '': the whole site. source: file (the site file's), person.
CREATE TABLE planned_stop (
	id         BIGINT NOT NULL PRIMARY KEY,
	site       TEXT NOT NULL,
	machine    TEXT NOT NULL,
	kind       TEXT NOT NULL,
	from_ms    BIGINT NOT NULL,
	to_ms      BIGINT NOT NULL,
	name_hi    TEXT NOT NULL,
	name_en    TEXT NOT NULL,
	source     TEXT NOT NULL,
	author     TEXT NOT NULL,
	made_ms    BIGINT NOT NULL,
	removed_ms BIGINT NOT NULL, -- 0: in force
	removed_by TEXT NOT NULL
);
CREATE INDEX planned_stop_site ON planned_stop (site, to_ms);
INSERT INTO counter (name, value) VALUES ('planned_stop', 0);

-- A machine that was broken, as a technician wrote it down. to_ms 0: still broken.
CREATE TABLE breakdown (
	id         BIGINT NOT NULL PRIMARY KEY,
	site       TEXT NOT NULL,
	machine    TEXT NOT NULL,
	from_ms    BIGINT NOT NULL,
	to_ms      BIGINT NOT NULL,
	note       TEXT NOT NULL,
	author     TEXT NOT NULL,
	made_ms    BIGINT NOT NULL,
	ended_by   TEXT NOT NULL,
	removed_ms BIGINT NOT NULL, -- 0: it counts
	removed_by TEXT NOT NULL
);
CREATE INDEX breakdown_site ON breakdown (site, from_ms);
INSERT INTO counter (name, value) VALUES ('breakdown', 0);

-- +goose Down
DELETE FROM counter WHERE name IN ('planned_stop', 'breakdown');
DROP TABLE breakdown;
DROP TABLE planned_stop;
DROP TABLE kpi_rule;
DROP TABLE calendar_week;
