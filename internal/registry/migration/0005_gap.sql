-- Stretches without samples, what tells their cause, and bounds for the quarantine.

-- +goose Up

-- One row for each stretch of a machine without usable samples. to_ms 0: still open. filled_ms 0: still a hole; else late
-- data filled it by then and the row only remembers that it was there. fault is what a sensor sent inside it ("" nothing).
CREATE TABLE gap (
	site      TEXT NOT NULL,
	machine   TEXT NOT NULL,
	from_ms   BIGINT NOT NULL,
	to_ms     BIGINT NOT NULL,
	filled_ms BIGINT NOT NULL,
	fault     TEXT NOT NULL
);
CREATE INDEX gap_machine ON gap (site, machine, from_ms);
CREATE INDEX gap_site ON gap (site, from_ms);

-- When a gateway's boot first sampled a machine: the oldest sample of its packs.
CREATE TABLE machine_boot (
	site    TEXT NOT NULL,
	machine TEXT NOT NULL,
	gateway TEXT NOT NULL,
	boot    TEXT NOT NULL,
	from_ms BIGINT NOT NULL,
	PRIMARY KEY (site, machine, gateway, boot)
);

-- Changes only: online, lost (the broker noticed), stopped (the gateway said so), supply-lost, supply-back.
CREATE TABLE gateway_event (
	site    TEXT NOT NULL,
	gateway TEXT NOT NULL,
	at_ms   BIGINT NOT NULL,
	kind    TEXT NOT NULL,
	PRIMARY KEY (site, gateway, at_ms, kind)
);

-- length and sha256 are those of the whole message; payload holds less of it when it was too long to be a pack.
-- replay_ms: somebody asked at that time that it be tried again; 0: nobody.
ALTER TABLE quarantine ADD COLUMN length BIGINT NOT NULL DEFAULT 0;
ALTER TABLE quarantine ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN replay_ms BIGINT NOT NULL DEFAULT 0;
CREATE INDEX quarantine_replay_due ON quarantine (id) WHERE replay_ms > 0;

-- What each site's quarantine holds, kept with every change of it.
CREATE TABLE quarantine_usage (
	site  TEXT NOT NULL PRIMARY KEY,
	packs BIGINT NOT NULL,
	bytes BIGINT NOT NULL
);
INSERT INTO quarantine_usage (site, packs, bytes) SELECT site, COUNT(*), SUM(LENGTH(payload)) FROM quarantine GROUP BY site;
UPDATE quarantine SET length = LENGTH(payload);

-- What is left of packs that had to make room.
CREATE TABLE quarantine_summary (
	site     TEXT NOT NULL,
	topic    TEXT NOT NULL,
	reason   TEXT NOT NULL,
	day      TEXT NOT NULL,
	packs    BIGINT NOT NULL,
	bytes    BIGINT NOT NULL,
	first_ms BIGINT NOT NULL,
	last_ms  BIGINT NOT NULL,
	sha256   TEXT NOT NULL,
	PRIMARY KEY (site, topic, reason, day)
);

-- What became of packs that were tried again.
CREATE TABLE quarantine_replay (
	id      BIGINT NOT NULL,
	at_ms   BIGINT NOT NULL,
	outcome TEXT NOT NULL,
	reason  TEXT NOT NULL,
	detail  TEXT NOT NULL,
	PRIMARY KEY (id, at_ms)
);

-- +goose Down
DROP TABLE quarantine_replay;
DROP TABLE quarantine_summary;
DROP TABLE quarantine_usage;
DROP INDEX quarantine_replay_due;
ALTER TABLE quarantine DROP COLUMN replay_ms;
ALTER TABLE quarantine DROP COLUMN sha256;
ALTER TABLE quarantine DROP COLUMN length;
DROP TABLE gateway_event;
DROP TABLE machine_boot;
DROP TABLE gap;
