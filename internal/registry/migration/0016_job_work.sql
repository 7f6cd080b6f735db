-- What a job's metal is heated from and to, and corrections of jobs, get a place of their own. Until now they stood among
-- the site's electricity (kind 'job') and among the corrections of sessions (kinds 'job-…').

-- +goose Up
ALTER TABLE job ADD COLUMN metal TEXT NOT NULL DEFAULT ''; -- of electricity.metals; '': not said
ALTER TABLE job ADD COLUMN start_c BIGINT NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN end_c BIGINT NOT NULL DEFAULT 0;

-- The rows are {"metal":"brass","start_c":30,"end_c":1050}, always in this form. They are taken apart from the right, with
-- what both databases know.
UPDATE job SET metal = (SELECT e.body FROM electricity e WHERE e.site = job.site AND e.kind = 'job' AND e.id = job.number)
WHERE EXISTS (SELECT 1 FROM electricity e WHERE e.site = job.site AND e.kind = 'job' AND e.id = job.number);
UPDATE job SET metal = RTRIM(metal, '}') WHERE metal <> '';
UPDATE job SET end_c = CAST(SUBSTR(metal, LENGTH(RTRIM(metal, '-0123456789')) + 1) AS BIGINT), metal = RTRIM(metal, '-0123456789') WHERE metal <> '';
UPDATE job SET metal = RTRIM(metal, ',"end_c:') WHERE metal <> '';
UPDATE job SET start_c = CAST(SUBSTR(metal, LENGTH(RTRIM(metal, '-0123456789')) + 1) AS BIGINT), metal = RTRIM(metal, '-0123456789') WHERE metal <> '';
UPDATE job SET metal = REPLACE(REPLACE(metal, '","start_c":', ''), '{"metal":"', '') WHERE metal <> '';
DELETE FROM electricity WHERE kind = 'job';

-- What a person changed of a job afterwards. Rows are never changed nor taken out.
CREATE TABLE job_correction (
	id      BIGINT NOT NULL PRIMARY KEY,
	site    TEXT NOT NULL,
	job     TEXT NOT NULL,
	machine TEXT NOT NULL,   -- '' for said
	kind    TEXT NOT NULL,   -- said, withdraw, cut
	from_ms BIGINT NOT NULL, -- what no longer counts
	to_ms   BIGINT NOT NULL, -- 0: it went on
	author  TEXT NOT NULL,
	reason  TEXT NOT NULL,
	made_ms BIGINT NOT NULL,
	FOREIGN KEY (site, job) REFERENCES job (site, number)
);
CREATE INDEX job_correction_job ON job_correction (site, job, id);
INSERT INTO job_correction (id, site, job, machine, kind, from_ms, to_ms, author, reason, made_ms)
SELECT id, site, group_was, machine, SUBSTR(kind, 5), from_ms, to_ms, author, reason, made_ms FROM correction WHERE kind LIKE 'job-%';
DELETE FROM correction WHERE kind LIKE 'job-%';
INSERT INTO counter (name, value) SELECT 'job_correction', COALESCE(MAX(id), 0) FROM job_correction;

-- +goose Down
INSERT INTO correction (id, site, machine, kind, from_ms, to_ms, at_ms, card_hash, group_was, group_id, reverses, author, reason, made_ms)
SELECT c.id + n.value, c.site, c.machine, 'job-' || c.kind, c.from_ms, c.to_ms, 0, '', c.job, '', 0, c.author, c.reason, c.made_ms
FROM job_correction c, counter n WHERE n.name = 'correction';
UPDATE counter SET value = value + (SELECT j.value FROM counter j WHERE j.name = 'job_correction') WHERE name = 'correction';
DELETE FROM counter WHERE name = 'job_correction';
DROP TABLE job_correction;
INSERT INTO electricity (site, kind, id, body, author)
SELECT site, 'job', number, '{"metal":"' || metal || '","start_c":' || CAST(start_c AS TEXT) || ',"end_c":' || CAST(end_c AS TEXT) || '}', author
FROM job WHERE metal <> '';
ALTER TABLE job DROP COLUMN end_c;
ALTER TABLE job DROP COLUMN start_c;
ALTER TABLE job DROP COLUMN metal;
