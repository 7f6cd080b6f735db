-- How many members a producer group has, as dated numbers for scheme reports. Numbers only: no names of people.

-- +goose Up
CREATE TABLE group_members (
	site          TEXT NOT NULL,
	producer      TEXT NOT NULL, -- producer_group.id
	valid_from_ms BIGINT NOT NULL,
	members       BIGINT NOT NULL,
	women         BIGINT NOT NULL, -- -1: not given
	sc            BIGINT NOT NULL,
	st            BIGINT NOT NULL,
	PRIMARY KEY (site, producer, valid_from_ms),
	FOREIGN KEY (site, producer) REFERENCES producer_group (site, id)
);

-- +goose Down
DROP TABLE group_members;
