-- Several analytics processes share the sites: who is there, who has which site. And a stretch being built is kept apart
-- from what is touched meanwhile, so that data that pours in is not built from its begin again and again.

-- +goose Up
ALTER TABLE touched ADD COLUMN claim_from_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE touched ADD COLUMN claim_to_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE touched ADD COLUMN claim_version BIGINT NOT NULL DEFAULT 0; -- version when it was claimed; 0: not claimed
DROP INDEX touched_pending;
CREATE INDEX touched_open ON touched (site, machine) WHERE pending OR claim_version <> 0;

-- A process is there as long as its beat goes on; who takes its row away takes its sites away.
CREATE TABLE analytics_member (
	id   TEXT PRIMARY KEY, -- drawn anew each time a process joins
	name TEXT NOT NULL,
	beat BIGINT NOT NULL
);
CREATE TABLE analytics_lease (
	site   TEXT PRIMARY KEY,
	holder TEXT NOT NULL -- id of a member; of none: the site is free
);
CREATE INDEX analytics_lease_holder ON analytics_lease (holder);

-- +goose Down
DROP TABLE analytics_lease;
DROP TABLE analytics_member;
DROP INDEX touched_open;
UPDATE touched SET pending = TRUE,
	from_ms = CASE WHEN pending AND from_ms < claim_from_ms THEN from_ms ELSE claim_from_ms END,
	to_ms = CASE WHEN pending AND to_ms > claim_to_ms THEN to_ms ELSE claim_to_ms END
WHERE claim_version <> 0;
ALTER TABLE touched DROP COLUMN claim_version;
ALTER TABLE touched DROP COLUMN claim_to_ms;
ALTER TABLE touched DROP COLUMN claim_from_ms;
CREATE INDEX touched_pending ON touched (site, machine) WHERE pending;
