-- Training, corrections of sessions, and jobs.

-- +goose Up
ALTER TABLE card ADD COLUMN training BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE session ADD COLUMN training BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE session ADD COLUMN kind TEXT NOT NULL DEFAULT 'group'; -- group, or job: then group_id is the number of the job
INSERT INTO counter (name, value) VALUES ('correction', 0), ('job_work', 0);

-- What a person says of sessions, on top of what taps and states give. Rows are never changed nor taken out.
CREATE TABLE correction (
	id        BIGINT NOT NULL PRIMARY KEY,
	site      TEXT NOT NULL,
	machine   TEXT NOT NULL,
	kind      TEXT NOT NULL,
	from_ms   BIGINT NOT NULL, -- the session's start, or the stretch that is assigned
	to_ms     BIGINT NOT NULL, -- the session's end when it was corrected; 0: it was open
	at_ms     BIGINT NOT NULL, -- split, end: where; void: the tap
	card_hash TEXT NOT NULL,
	group_was TEXT NOT NULL,
	group_id  TEXT NOT NULL,
	reverses  BIGINT NOT NULL,
	author    TEXT NOT NULL,
	reason    TEXT NOT NULL,
	made_ms   BIGINT NOT NULL
);
CREATE INDEX correction_site ON correction (site, machine, id);

CREATE TABLE job (
	site     TEXT NOT NULL REFERENCES site (id),
	number   TEXT NOT NULL,
	title    TEXT NOT NULL,
	buyer    TEXT NOT NULL,
	group_id TEXT NOT NULL, -- whose work it is, '' when not said
	weight_g BIGINT NOT NULL, -- 0: not weighed
	pieces   BIGINT NOT NULL, -- 0: not counted
	author   TEXT NOT NULL,
	made_ms  BIGINT NOT NULL,
	PRIMARY KEY (site, number)
);

-- A card that stands for a job while it lies in the workshop with the work.
CREATE TABLE job_card (
	site          TEXT NOT NULL,
	hash          TEXT NOT NULL,
	job           TEXT NOT NULL,
	valid_from_ms BIGINT NOT NULL,
	valid_to_ms   BIGINT NOT NULL,
	PRIMARY KEY (site, hash, valid_from_ms),
	FOREIGN KEY (site, job) REFERENCES job (site, number)
);

-- Machine time that a person entered for a job. A wrong row is withdrawn, not taken out.
CREATE TABLE job_work (
	id           BIGINT NOT NULL PRIMARY KEY,
	site         TEXT NOT NULL,
	job          TEXT NOT NULL,
	machine      TEXT NOT NULL,
	from_ms      BIGINT NOT NULL,
	to_ms        BIGINT NOT NULL, -- 0: goes on
	author       TEXT NOT NULL,
	made_ms      BIGINT NOT NULL,
	withdrawn_ms BIGINT NOT NULL,
	withdrawn_by TEXT NOT NULL,
	FOREIGN KEY (site, job) REFERENCES job (site, number)
);
CREATE INDEX job_work_job ON job_work (site, job, id);
CREATE INDEX job_work_machine ON job_work (site, machine, from_ms);

-- +goose Down
DROP TABLE job_work;
DROP TABLE job_card;
DROP TABLE job;
DROP TABLE correction;
DELETE FROM counter WHERE name IN ('correction', 'job_work');
DELETE FROM session WHERE kind <> 'group';
ALTER TABLE session DROP COLUMN kind;
ALTER TABLE session DROP COLUMN training;
ALTER TABLE card DROP COLUMN training;
