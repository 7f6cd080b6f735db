-- The first schema. The text must run on SQLite and PostgreSQL alike; the words both know:
--   BIGINT, TEXT, BOOLEAN, DOUBLE PRECISION, BYTEA (SQLite keeps bytes as they are in a column of unknown type).
-- Ids are numbered from table counter in the same transaction, because the two number their rows differently.
-- Times end in _ms (Unix milliseconds UTC; 0 stands for never or open end), money is paise.

-- +goose Up
CREATE TABLE counter (
	name  TEXT NOT NULL PRIMARY KEY,
	value BIGINT NOT NULL
);
INSERT INTO counter (name, value) VALUES ('alarm', 0), ('statement', 0), ('quarantine', 0), ('audit', 0);

CREATE TABLE site (
	id      TEXT NOT NULL PRIMARY KEY,
	name_hi TEXT NOT NULL,
	name_en TEXT NOT NULL,
	zone    TEXT NOT NULL
);

CREATE TABLE machine (
	site     TEXT NOT NULL REFERENCES site (id),
	id       TEXT NOT NULL,
	class    TEXT NOT NULL,
	name_hi  TEXT NOT NULL,
	name_en  TEXT NOT NULL,
	position BIGINT NOT NULL,
	gateway  TEXT NOT NULL DEFAULT '', -- the one whose packs came last
	PRIMARY KEY (site, id)
);

CREATE TABLE machine_settings (
	site              TEXT NOT NULL,
	machine           TEXT NOT NULL,
	valid_from_ms     BIGINT NOT NULL,
	signal            TEXT NOT NULL,
	idle_above        DOUBLE PRECISION NOT NULL,
	run_above         DOUBLE PRECISION NOT NULL,
	hysteresis        DOUBLE PRECISION NOT NULL,
	dwell_off_ms      BIGINT NOT NULL,
	dwell_idle_ms     BIGINT NOT NULL,
	dwell_run_ms      BIGINT NOT NULL,
	report_ms         BIGINT NOT NULL,
	temperature_max_c DOUBLE PRECISION NOT NULL,
	vibration_ratio   DOUBLE PRECISION NOT NULL,
	silent_after_ms   BIGINT NOT NULL,
	PRIMARY KEY (site, machine, valid_from_ms),
	FOREIGN KEY (site, machine) REFERENCES machine (site, id)
);

CREATE TABLE gateway (
	site        TEXT NOT NULL REFERENCES site (id),
	id          TEXT NOT NULL,
	key_hash    TEXT NOT NULL DEFAULT '',
	status_json TEXT NOT NULL DEFAULT '',
	online      BOOLEAN NOT NULL DEFAULT FALSE,
	seen_ms     BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (site, id)
);

CREATE TABLE producer_group (
	site    TEXT NOT NULL REFERENCES site (id),
	id      TEXT NOT NULL,
	name_hi TEXT NOT NULL,
	name_en TEXT NOT NULL,
	PRIMARY KEY (site, id)
);

CREATE TABLE card (
	site          TEXT NOT NULL,
	hash          TEXT NOT NULL,
	group_id      TEXT NOT NULL,
	valid_from_ms BIGINT NOT NULL,
	valid_to_ms   BIGINT NOT NULL,
	PRIMARY KEY (site, hash, valid_from_ms),
	FOREIGN KEY (site, group_id) REFERENCES producer_group (site, id)
);

CREATE TABLE tariff (
	site               TEXT NOT NULL REFERENCES site (id),
	class              TEXT NOT NULL,
	valid_from_ms      BIGINT NOT NULL,
	paise_per_run_hour BIGINT NOT NULL,
	author             TEXT NOT NULL,
	PRIMARY KEY (site, class, valid_from_ms)
);

-- A row stays when its stretch is built (pending FALSE), so that its version never starts again.
CREATE TABLE touched (
	site    TEXT NOT NULL,
	machine TEXT NOT NULL,
	from_ms BIGINT NOT NULL,
	to_ms   BIGINT NOT NULL,
	version BIGINT NOT NULL,
	pending BOOLEAN NOT NULL,
	PRIMARY KEY (site, machine)
);
CREATE INDEX touched_pending ON touched (site, machine) WHERE pending;

CREATE TABLE session (
	site       TEXT NOT NULL,
	machine    TEXT NOT NULL,
	start_ms   BIGINT NOT NULL,
	end_ms     BIGINT NOT NULL,
	group_id   TEXT NOT NULL,
	card_hash  TEXT NOT NULL,
	end_reason TEXT NOT NULL
);
CREATE INDEX session_machine ON session (site, machine, start_ms);
CREATE INDEX session_site ON session (site, start_ms);
CREATE INDEX session_card ON session (site, card_hash, start_ms);

CREATE TABLE alarm (
	id              BIGINT NOT NULL PRIMARY KEY,
	site            TEXT NOT NULL,
	machine         TEXT NOT NULL,
	rule            TEXT NOT NULL,
	component       TEXT NOT NULL,
	state           TEXT NOT NULL,
	active          BOOLEAN NOT NULL,
	opened_ms       BIGINT NOT NULL,
	cleared_ms      BIGINT NOT NULL,
	acknowledged_ms BIGINT NOT NULL,
	acknowledged_by TEXT NOT NULL,
	resolved_ms     BIGINT NOT NULL,
	resolved_by     TEXT NOT NULL,
	note            TEXT NOT NULL,
	raised          BIGINT NOT NULL,
	value           DOUBLE PRECISION NOT NULL,
	limit_value     DOUBLE PRECISION NOT NULL,
	cause           TEXT NOT NULL,
	notified_ms     BIGINT NOT NULL
);
CREATE UNIQUE INDEX alarm_unresolved ON alarm (site, machine, rule, component) WHERE state <> 'resolved';
CREATE INDEX alarm_resolved ON alarm (site, machine, rule, component, resolved_ms);
CREATE INDEX alarm_site ON alarm (site, opened_ms);
CREATE INDEX alarm_unnotified ON alarm (id) WHERE notified_ms = 0;

CREATE TABLE statement (
	id          BIGINT NOT NULL PRIMARY KEY,
	site        TEXT NOT NULL,
	group_id    TEXT NOT NULL,
	month       TEXT NOT NULL,
	made_ms     BIGINT NOT NULL,
	total_paise BIGINT NOT NULL,
	body_json   TEXT NOT NULL,
	UNIQUE (site, month, group_id)
);

-- digest is the SHA-256 of topic, reason and payload: what is seen again is counted, not kept twice.
CREATE TABLE quarantine (
	id          BIGINT NOT NULL PRIMARY KEY,
	digest      TEXT NOT NULL UNIQUE,
	received_ms BIGINT NOT NULL,
	topic       TEXT NOT NULL,
	site        TEXT NOT NULL,
	gateway     TEXT NOT NULL,
	machine     TEXT NOT NULL,
	reason      TEXT NOT NULL,
	detail      TEXT NOT NULL,
	payload     BYTEA NOT NULL,
	seen        BIGINT NOT NULL
);
CREATE INDEX quarantine_site ON quarantine (site, received_ms);
CREATE INDEX quarantine_received ON quarantine (received_ms);
CREATE INDEX quarantine_machine ON quarantine (site, machine, reason, id);

CREATE TABLE token (
	hash       TEXT NOT NULL PRIMARY KEY,
	name       TEXT NOT NULL,
	role       TEXT NOT NULL,
	group_id   TEXT NOT NULL,
	created_ms BIGINT NOT NULL,
	expires_ms BIGINT NOT NULL
);

-- Each row carries the hash of the row before it and its own: a row changed or taken out later breaks the chain.
CREATE TABLE audit (
	id            BIGINT NOT NULL PRIMARY KEY,
	at_ms         BIGINT NOT NULL,
	who           TEXT NOT NULL,
	what          TEXT NOT NULL,
	detail        TEXT NOT NULL,
	previous_hash TEXT NOT NULL,
	hash          TEXT NOT NULL
);

-- +goose Down
DROP TABLE audit;
DROP TABLE token;
DROP TABLE quarantine;
DROP TABLE statement;
DROP TABLE alarm;
DROP TABLE session;
DROP TABLE touched;
DROP TABLE tariff;
DROP TABLE card;
DROP TABLE producer_group;
DROP TABLE gateway;
DROP TABLE machine_settings;
DROP TABLE machine;
DROP TABLE site;
DROP TABLE counter;
