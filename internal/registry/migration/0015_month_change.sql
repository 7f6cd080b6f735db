-- +goose Up
-- Until when what a month's statements rest on may have changed: a draft that was made by then is out of date.
CREATE TABLE month_change (
	site     TEXT NOT NULL REFERENCES site (id),
	month    TEXT NOT NULL, -- 2026-11
	until_ms BIGINT NOT NULL,
	PRIMARY KEY (site, month)
);

-- +goose Down
DROP TABLE month_change;
